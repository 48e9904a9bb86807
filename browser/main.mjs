// Drives a browser through the dashboard of the gateway named by its path, and ends with how many tests passed.
import { acts } from './acts.mjs';
import { looks } from './looks.mjs';
import { pictures } from './pictures.mjs';
import { startWorld } from './world.mjs';

const [program, ...words] = process.argv.slice(2);

async function main() {
  const world = await startWorld(program);
  let [passed, failed] = [0, 0];
  const tests = Object.entries({ ...acts, ...looks(), ...pictures });
  for (const [name, test] of tests.filter(([name]) => words.every((word) => name.includes(word)))) {
    const began = Date.now();
    const wrong = await test(world).then((complaints) => complaints.join('\n  '), (error) => error.message);
    wrong ? (failed += 1) : (passed += 1);
    console.log(`${wrong ? 'FAILED' : 'ok'} ${name} (${Date.now() - began} ms)${wrong ? `\n  ${wrong}` : ''}`);
  }
  const complaint = await world.stop();
  if (complaint) {
    failed += 1;
    console.log(`FAILED ${complaint}`);
  }
  console.log(`\n${passed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
}

await main().catch((error) => {
  console.error(`browser: nothing could be driven: ${error.message}`);
  console.log('\n0 passed, 1 failed');
  process.exit(1);
});
