// The SDKs that live in Python, asked one question at a time through judge.py.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** An SDK that should be there and is not. */
export class AbsentPackage extends Error {}

let judge;

/** Asks judge.py; the answer is its `value`. */
export async function askPython(question) {
  judge ??= startJudge();
  const answer = await judge.ask(question);
  if (answer.absent) throw new AbsentPackage(`${answer.absent} (PyPI)`);
  if ('error' in answer) throw new Error(`judge.py: ${answer.error}`);
  return answer.value;
}

/** Ends judge.py, if it was ever asked. */
export function dismissPython() {
  judge?.stop();
  judge = undefined;
}

function startJudge() {
  const script = fileURLToPath(new URL('judge.py', import.meta.url));
  const child = spawn('python3', [script], { stdio: ['pipe', 'pipe', 'inherit'] });
  const waiting = [];
  const fail = (why) => waiting.splice(0).forEach((settle) => settle({ error: why }));
  child.on('error', (error) => fail(error.message));
  child.on('exit', (code) => fail(`ended with exit code ${code}`));
  child.stdin.on('error', (error) => fail(error.message));
  createInterface({ input: child.stdout }).on('line', (line) => waiting.shift()(JSON.parse(line)));
  return {
    ask: (question) =>
      new Promise((resolve) => {
        if (child.exitCode !== null) return resolve({ error: `ended with exit code ${child.exitCode}` });
        waiting.push(resolve);
        child.stdin.write(`${JSON.stringify(question)}\n`);
      }),
    stop: () => child.stdin.end(),
  };
}
