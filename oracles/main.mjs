// Runs a gateway, lets every official SDK and the GitHub corpus at it, and reports: a table, a summary as JSON, and a
// last line to count by. Exits 1 if anything disagrees or any SDK is absent.
//
//   oracles/run PATH_OF_TRIREME [--only WORD] [--summary FILE]
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { agreementConfig, checkDeliveries, runAgreement } from './agreement.mjs';
import { PUBLIC_URL } from './cases.mjs';
import { corpusConfig, runCorpus } from './corpus.mjs';
import { startGateway } from './gateway.mjs';
import { hangUp } from './http.mjs';
import { AbsentPackage, dismissPython } from './python.mjs';
import { startSink } from './sink.mjs';

const SDKS = ['discord', 'github', 'hubspot', 'sendgrid', 'shopify', 'slack', 'standard-webhooks', 'stripe', 'twilio'];

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      only: { type: 'string', default: '' },
      summary: { type: 'string', default: fileURLToPath(new URL('../.cache/oracles/summary.json', import.meta.url)) },
    },
  });
  const [program] = positionals;
  if (!program) throw new Error('which gateway? oracles/run PATH_OF_TRIREME [--only WORD] [--summary FILE]');

  const chosen = SDKS.filter((name) => name.includes(values.only));
  const sdks = await Promise.all(chosen.map(async (name) => ({ name, ...(await import(`./sdk/${name}.mjs`)) })));
  const results = await runAll(program, sdks, 'github-corpus'.includes(values.only));

  await mkdir(dirname(values.summary), { recursive: true });
  const summary = results.map(({ taken, ...result }) => result);
  await writeFile(values.summary, `${JSON.stringify(summary, null, 2)}\n`);
  report(results);
  process.exitCode = results.some(({ failures }) => failures.length > 0) ? 1 : 0;
}

async function runAll(program, sdks, withCorpus) {
  const sink = await startSink();
  const agreement = agreementConfig(sdks, sink);
  const corpus = corpusConfig(sink);
  const gateway = await startGateway(program, {
    public_url: PUBLIC_URL,
    egress: { allow: ['127.0.0.0/8'] },
    sources: { ...agreement.sources, ...corpus.sources },
    destinations: { ...agreement.destinations, ...corpus.destinations },
    routes: [...agreement.routes, ...corpus.routes],
  });

  const results = [];
  let complaint;
  try {
    if (withCorpus) results.push(await absentIsFailure('github-corpus', () => runCorpus(gateway.base, sink)));
    for (const sdk of sdks) results.push(await absentIsFailure(sdk.name, () => runAgreement(gateway.base, sdk)));
    const complaints = checkDeliveries(gateway.base, sink, results).catch((error) => [error.message]);
    results.push(verdict('deliveries', await complaints));
  } finally {
    hangUp();
    complaint = await gateway.stop();
    sink.close();
    dismissPython();
  }
  results.push(verdict('signatures we make', sink.problems));
  results.push(verdict('stopping', complaint ? [complaint] : []));
  return results;
}

const verdict = (name, failures) => ({ name, cases: 1, passed: failures.length ? 0 : 1, failures });

/** An SDK that is not there fails by name. So does one that broke off: the others are still asked. */
async function absentIsFailure(name, work) {
  try {
    return await work();
  } catch (error) {
    const absent = error instanceof AbsentPackage || error.code === 'ERR_MODULE_NOT_FOUND';
    const failure = absent ? `absent: ${error.message}` : `broke off: ${error.stack}`;
    return { name, cases: 1, passed: 0, failures: [failure] };
  }
}

function report(results) {
  const row = (...cells) => cells.map((cell, at) => (at ? String(cell ?? '').padStart(9) : cell.padEnd(20))).join('');
  console.log(row('oracle', 'cases', 'accepted', 'rejected', 'stricter', 'wrong'));
  for (const { name, cases, accepted, rejected, stricter, failures } of results) {
    console.log(row(name, cases, accepted, rejected, stricter?.length, failures.length));
  }
  for (const { name, stricter } of results) {
    if (stricter?.length) console.log(`\n${name}: the SDK accepts, the gateway does not:\n  ${stricter.join('\n  ')}`);
  }
  for (const { name, failures } of results) {
    if (failures.length) console.log(`\n${name}: FAILED:\n  ${failures.join('\n  ')}`);
  }
  const passed = results.reduce((sum, result) => sum + result.passed, 0);
  const failed = results.reduce(
    (sum, { cases, passed, failures }) => sum + Math.max(cases - passed, failures.length),
    0,
  );
  console.log(`\n${passed} passed, ${failed} failed`);
}

await main().catch((error) => {
  console.error(`oracles: nothing could be asked: ${error.message}`);
  console.log('\n0 passed, 1 failed');
  // The sink may still be listening.
  process.exit(1);
});
