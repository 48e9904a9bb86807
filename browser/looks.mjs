// Every page in light and dark, wide and as on a phone: nothing that keeps people out, nothing that has to be pushed
// aside to be read. Pictures are left for people to look at.
import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { PHONE, WIDE, api, expect, publish, visit } from './world.mjs';

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
const PICTURES = process.env.PICTURES ?? '.cache/browser/pictures';

async function paths(world) {
  const { id } = await publish(world, 'looked.at', { text: 'x'.repeat(200) }, 'orders/1');
  const { name } = await api(world.gateway.base, '/api/v1/sources', { name: 'hook-looked-at', webhook: { provider: 'none' } });
  // Nobody signed it, so that there is a rejected request to show.
  await fetch(`${world.gateway.base}/in/github`, { method: 'POST', body: '{}' });
  const requests = await api(world.gateway.base, '/api/v1/requests?verdict=rejected');
  await learn(world);
  return {
    now: '/now?span=24h', events: '/events', event: `/events/${id}`, sources: '/sources', source: '/sources/github', shop: '/sources/shop',
    endpoint: `/endpoints/${name}?sender=stripe`, routes: '/routes', route: '/routes/own-app', try: '/try?route=own-app',
    destinations: '/destinations', destination: '/destinations/app', 'dead-letters': '/dead-letters',
    plan: '/dead-letters/plan', requests: '/requests', request: `/requests/${requests.data[0].id}`, alerts: '/alerts', audit: '/audit',
    keys: '/keys', schemas: '/schemas', schema: '/schemas/show?source=own&of=event&name=order.seen', missing: '/routes/nothing',
  };
}

/** A type of events whose shape is learned, and then changes. */
async function learn(world) {
  for (let id = 0; id < 35; id += 1) await publish(world, 'order.seen', { id, state: 'open', at: '2026-01-31T09:30:00Z' });
  await publish(world, 'order.seen', { id: 'a word', state: 'open', more: { lines: [1] } });
  for (let tries = 0; tries < 100; tries += 1) {
    const { data } = await api(world.gateway.base, '/api/v1/schemas?source=own');
    if (data.some(({ name, version }) => name === 'order.seen' && version > 1)) return;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error('the change of order.seen was never learned');
}

/** One test per scheme and size, over all pages. */
export function looks() {
  const tests = {};
  for (const scheme of ['light', 'dark']) {
    for (const [kind, size] of Object.entries({ wide: WIDE, phone: PHONE })) {
      tests[`every page, ${scheme} and ${kind}`] = (world) => look(world, scheme, kind, size);
    }
  }
  return tests;
}

let known;

async function look(world, scheme, kind, size) {
  known ??= await paths(world);
  await mkdir(PICTURES, { recursive: true });
  const { page, complaints, go } = await visit(world, { size, scheme });
  const wrong = [];
  for (const [name, path] of Object.entries(known)) {
    await go(path);
    await page.screenshot({ path: `${PICTURES}/${name}-${kind}-${scheme}.png`, fullPage: true });
    const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (over > 0) wrong.push(`${name}: ${over} px wider than the window`);
    await page.evaluate(axe);
    const { violations } = await page.evaluate((values) => axe.run({ runOnly: { type: 'tag', values } }), RULES);
    for (const { id, nodes } of violations) wrong.push(`${name}: ${id} at ${nodes[0].target.join(' ')}`);
  }
  expect(wrong.length === 0, wrong.join('\n  '));
  return complaints;
}
