// The pictures that docs/guide shows, taken of `trireme demo` at work. They are left beside the others; those in the guide
// are copies of them, and each has to be shown by a page and to be of the size that is taken.
import { mkdir, readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { startDemo } from '../oracles/gateway.mjs';
import { api, eventually, expect, visit } from './world.mjs';

const TAKEN = join(process.env.PICTURES ?? '.cache/browser/pictures', 'guide');
const GUIDE = new URL('../docs/guide/', import.meta.url);
const SIZE = { width: 1120, height: 700 };
const PER_SECOND = 20;
const ENOUGH_EVENTS = 60;

export const pictures = {
  async 'the guide shows the pages as they are'(world) {
    const demo = await startDemo(world.program, PER_SECOND);
    try {
      const complaints = await take(world, demo);
      await compare();
      return complaints;
    } finally {
      await demo.stop();
    }
  },
};

async function take(world, demo) {
  const tried = await eventually('the demo has something to show', () => worthShowing(demo));
  const paths = {
    now: '/now', events: '/events', event: `/events/${tried.event}`, try: `/try?route=github-flaky&event=${tried.event}`,
    'dead-letters': '/dead-letters', requests: '/requests', schemas: '/schemas', alerts: '/alerts', audit: '/audit', destination: '/destinations/flaky',
  };
  await mkdir(TAKEN, { recursive: true });
  const { page, complaints, go } = await visit(world, { at: demo, size: SIZE });
  // Figures are written every ten seconds.
  await eventually('there are figures', async () => {
    await go('/now');
    return (await page.locator('.tile b').first().textContent()) !== '0';
  });
  for (const [name, path] of Object.entries(paths)) {
    await go(path);
    await page.screenshot({ path: join(TAKEN, `${name}.png`) });
  }
  return complaints;
}

/** A delivery that was tried more than once, when enough else has happened. */
async function worthShowing({ base, key }) {
  const list = async (path) => (await api(base, `/api/v1/${path}&limit=500`, undefined, key)).data;
  if ((await list('events?source=github')).length < ENOUGH_EVENTS) return null;
  const delivered = await list('deliveries?state=delivered&destination=flaky');
  return delivered.find(({ attempts }) => attempts > 1);
}

async function compare() {
  const wrong = [];
  const shown = await pagesOfTheGuide();
  const kept = await readdir(new URL('pictures/', GUIDE)).catch(() => []);
  for (const name of await readdir(TAKEN)) {
    const same = kept.includes(name) && (await size(new URL(`pictures/${name}`, GUIDE))) === (await size(join(TAKEN, name)));
    if (!same) wrong.push(`${name} is missing or of another size: cp ${join(TAKEN, name)} docs/guide/pictures/`);
  }
  for (const name of kept.filter((name) => !shown.includes(`](pictures/${name})`))) wrong.push(`no page shows ${name}`);
  expect(wrong.length === 0, wrong.join('\n  '));
}

async function pagesOfTheGuide() {
  const names = (await readdir(GUIDE)).filter((name) => name.endsWith('.md'));
  return (await Promise.all(names.map((name) => readFile(new URL(name, GUIDE), 'utf8')))).join('\n');
}

/** Width and height as the head of a PNG says them (PNG specification, 11.2.1). */
async function size(file) {
  const head = (await readFile(file)).subarray(16, 24);
  return `${head.readUInt32BE(0)}x${head.readUInt32BE(4)}`;
}
