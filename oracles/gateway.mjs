// Starts the real program on a fresh folder with a generated config, waits until it is ready, and stops it.
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const READY_WITHIN_MS = 20_000;
const STOPPED_WITHIN_MS = 30_000;
const LOG_KEPT_BYTES = 64 * 1024;

export const ADMIN_KEY = `trk_admin_${'oracle'.repeat(8)}`;

/** Resolves to `{ base, stop }`. `stop` sends SIGTERM and resolves to a complaint, or to nothing if it ended well. */
export async function startGateway(program, config) {
  const folder = await mkdtemp(join(tmpdir(), 'trireme-oracles-'));
  // JSON is YAML, so the file needs no writer of its own.
  await writeFile(join(folder, 'trireme.yaml'), JSON.stringify(config, null, 2));
  return start(program, folder, ['serve', '--config', join(folder, 'trireme.yaml')]);
}

/** The same of `trireme demo`, which brings its own senders and destinations, and has a `key` of its own. */
export async function startDemo(program, perSecond) {
  const folder = await mkdtemp(join(tmpdir(), 'trireme-demo-'));
  const { base, stop, log } = await start(program, folder, ['demo', '--rate', String(perSecond)]);
  return { base, stop, key: log().match(/API key +(\S+)/)[1] };
}

async function start(program, folder, command) {
  const port = await freePort();
  const args = [...command, '--data', join(folder, 'data')];
  const child = spawn(program, [...args, '--listen', `127.0.0.1:${port}`], {
    env: { ...process.env, TRIREME_ADMIN_KEY: ADMIN_KEY },
    stdio: ['ignore', 'pipe', 'pipe'],
  });

  let log = '';
  const keep = (chunk) => (log = (log + chunk).slice(-LOG_KEPT_BYTES));
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const ended = new Promise((resolve) => {
    child.on('error', (error) => resolve(`could not be started: ${error.message}`));
    child.on('exit', (code, signal) => resolve(code === 0 ? null : `ended with ${signal ?? `exit code ${code}`}`));
  });

  const base = `http://127.0.0.1:${port}`;
  const stop = async () => {
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), STOPPED_WITHIN_MS);
    const complaint = await ended;
    clearTimeout(late);
    await rm(folder, { recursive: true, force: true });
    return complaint && `the gateway ${complaint}; the end of its log:\n${log}`;
  };

  const early = await Promise.race([ready(base), ended.then((complaint) => complaint ?? 'ended at once')]);
  if (early) {
    await stop();
    throw new Error(`${program} ${early}; its log:\n${log}`);
  }
  return { base, stop, log: () => log };
}

async function ready(base) {
  const deadline = Date.now() + READY_WITHIN_MS;
  while (Date.now() < deadline) {
    const reply = await fetch(`${base}/readyz`).catch(() => null);
    if (reply?.ok) return null;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return `was not ready within ${READY_WITHIN_MS} ms`;
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
