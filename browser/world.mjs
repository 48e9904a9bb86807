// A gateway with something of everything, a destination that answers as it is told, and a browser that is watched:
// whatever it complains about fails the test.
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { ADMIN_KEY, startGateway } from '../oracles/gateway.mjs';

export const HOSTILE = `"></pre></textarea><script>alert(1)</script><img src=x onerror=alert(1)>`;
export const WIDE = { width: 1280, height: 900 };
export const PHONE = { width: 390, height: 844 };
const PATIENCE_MS = 15_000;
const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser'];
const QUIET = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

/** A connector that reads the orders of our own shop, which changes whenever it is asked. */
const manifest = (base) => `
version: 7.0.0
type: DeclarativeSource
check: { type: CheckStream, stream_names: [orders] }
streams:
  - type: DeclarativeStream
    name: orders
    primary_key: id
    retriever:
      type: SimpleRetriever
      record_selector: { type: RecordSelector, extractor: { type: DpathExtractor, field_path: [] } }
      requester: { type: HttpRequester, url_base: "${base}", path: orders }
`;

export async function startWorld(program) {
  const sink = await startSink();
  const folder = await mkdtemp(join(tmpdir(), 'trireme-browser-'));
  const connector = join(folder, 'shop.yaml');
  await writeFile(connector, manifest(sink.base));
  const config = (empty) => ({
    egress: { allow: ['127.0.0.0/8'] },
    sources: empty ? {} : {
      own: { publish: true },
      shop: { connector, streams: { orders: { poll: '1h', reconcile: { every: '1h' } } }, budget: '5000/h' },
      github: { webhook: { provider: 'github', secret: 'a secret of the sender' } },
    },
    destinations: {
      app: { http: { url: `${sink.base}/hook`, unsigned: true }, retry: { fibonacci: '1s', attempts: 1 } },
    },
    routes: empty ? [] : [{ from: 'own', to: 'app' }],
  });
  const [gateway, empty] = [await startGateway(program, config(false)), await startGateway(program, config(true))];
  const browser = await chromium.launch({ executablePath: await installed(), args: QUIET });
  return {
    program, sink, gateway, empty, browser,
    stop: async () => {
      await browser.close();
      const complaints = [await gateway.stop(), await empty.stop()];
      sink.stop();
      await rm(folder, { recursive: true, force: true });
      return complaints.find(Boolean);
    },
  };
}

async function installed() {
  for (const path of CHROMIUM) {
    if (await access(path).then(() => true, () => false)) return path;
  }
  throw new Error('there is no chromium: tools/need chromium installs it');
}

async function startSink() {
  const sink = { status: 200, received: [], asked: 0 };
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      if (request.url.startsWith('/orders')) {
        sink.asked += 1;
        const orders = [{ id: 1, asked: sink.asked }, { id: 2 }];
        return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(orders));
      }
      sink.received.push(body);
      response.writeHead(sink.status).end(HOSTILE);
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  sink.base = `http://127.0.0.1:${server.address().port}`;
  sink.stop = () => server.close();
  return sink;
}

/** A page of somebody who came in with the first key. `complaints` is what the browser had to say. */
export async function visit(world, { at = world.gateway, size = WIDE, scheme = 'light', scripts = true } = {}) {
  const context = await world.browser.newContext({ viewport: size, colorScheme: scheme, javaScriptEnabled: scripts });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(`script: ${error.message}`));
  page.on('dialog', (dialog) => complaints.push(`dialog: ${dialog.message()}`) && dialog.dismiss());
  page.on('console', (message) => {
    // A page that answers 4xx is said so in the console; the test that asked for it knows.
    if (message.type() === 'error' && !/status of 4\d\d/.test(message.text())) complaints.push(message.text());
  });
  const go = (path) => page.goto(at.base + path);
  await go('/login');
  await page.fill('input[name=key]', at.key ?? ADMIN_KEY);
  await page.keyboard.press('Enter');
  await page.waitForURL(`${at.base}/`);
  return { page, context, complaints, go, base: at.base };
}

export async function api(base, path, body, key = ADMIN_KEY) {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const reply = await fetch(base + path, { method: body ? 'POST' : 'GET', headers, body: body && JSON.stringify(body) });
  if (!reply.ok) throw new Error(`${path}: ${reply.status} ${await reply.text()}`);
  return reply.json();
}

export const publish = (world, type, data = {}, subject) =>
  api(world.gateway.base, '/api/v1/events', { source: 'own', type, data, subject });

/** Until `look` gives something; fails when it never does. */
export async function eventually(what, look) {
  const deadline = Date.now() + PATIENCE_MS;
  while (Date.now() < deadline) {
    const seen = await look();
    if (seen) return seen;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${what}: it never came to that`);
}

export const deliveries = async (world, state) =>
  (await api(world.gateway.base, `/api/v1/deliveries?state=${state}&limit=500`)).data.length;

export function expect(holds, what) {
  if (!holds) throw new Error(what);
}
