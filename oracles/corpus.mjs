// Every payload of @octokit/webhooks-examples goes in as GitHub would send it and has to come out once, unchanged.
import { isDeepStrictEqual } from 'node:util';
import { randomUUID } from 'node:crypto';

import { freshSecret } from './cases.mjs';
import { inParallel, post, send } from './http.mjs';
import { SINK_SECRET } from './sink.mjs';
import { askPython } from './python.mjs';

const SENDERS = 8;
const ARRIVED_WITHIN_MS = 60_000;
/** How long nothing more may come before what has come is taken for all. */
const QUIET_MS = 1500;

const SECRET = freshSecret();
const BOXES = ['corpus-raw', 'corpus-envelope'];

/** What the gateway has to be configured with: one source, and two destinations that get all of it. */
export function corpusConfig(sink) {
  const destination = (body) => ({ http: { url: sink.url(`corpus-${body}`), secret: SINK_SECRET, body } });
  return {
    sources: { github: { webhook: { provider: 'github', secret: SECRET } } },
    destinations: { 'corpus-raw': destination('raw'), 'corpus-envelope': destination('envelope') },
    routes: BOXES.map((to) => ({ from: 'github', to })),
  };
}

/** Resolves to `{ name, passed, failures }`: a payload has passed if it came out right at both destinations. */
export async function runCorpus(base, sink) {
  const failures = [];
  const requests = await corpusRequests();
  const sent = await sendAll(base, requests, failures);
  const again = await sendAll(base, requests, failures);
  requests.forEach((request, index) => checkAgain(request, sent[index], again[index], failures));

  await settled(sink, requests.length);
  const wrong = new Set();
  for (const box of BOXES) checkBox(box, sink, requests, sent, wrong, failures);
  await checkInPython(sink, failures);

  const passed = requests.filter((_, index) => sent[index] && !wrong.has(sent[index].id)).length;
  return { name: 'github-corpus', cases: requests.length, passed, failures };
}

async function corpusRequests() {
  const { default: catalogue } = await import('@octokit/webhooks-examples', { with: { type: 'json' } });
  const { sign } = await import('@octokit/webhooks-methods');
  const examples = catalogue.flatMap(({ name, examples }) => examples.map((payload) => ({ name, payload })));
  return Promise.all(
    examples.map(async ({ name, payload }) => {
      const text = JSON.stringify(payload);
      const headers = {
        'content-type': 'application/json',
        'user-agent': 'GitHub-Hookshot/0000000',
        'x-github-event': name,
        'x-github-delivery': randomUUID(),
        'x-hub-signature-256': await sign(SECRET, text),
      };
      return { ...post('/in/github', headers, text), name, payload };
    }),
  );
}

/** Each request's event, or nothing where the answer was not what a sender is promised. */
function sendAll(base, requests, failures) {
  return inParallel(SENDERS, requests, async (request) => {
    const reply = await send(base, request).catch((error) => ({ status: 0, text: error.message }));
    const events = reply.status === 200 ? JSON.parse(reply.text).events : undefined;
    if (events?.length === 1) return events[0];
    failures.push(`${request.name}: sent, and answered ${reply.status}: ${reply.text.slice(0, 200)}`);
    return undefined;
  });
}

function checkAgain(request, first, second, failures) {
  if (first?.duplicate) failures.push(`${request.name}: was taken for a duplicate when it came first`);
  if (!first || !second) return;
  if (!second.duplicate || second.id !== first.id) {
    failures.push(`${request.name}: sent a second time it is ${second.id}, not a duplicate of ${first.id}`);
  }
}

/** Until every event is at both destinations and nothing more comes, or until it has taken too long. */
async function settled(sink, expected) {
  const deadline = Date.now() + ARRIVED_WITHIN_MS;
  const arrivals = () => BOXES.map((box) => [...(sink.boxes[box]?.values() ?? [])].flat().length);
  const complete = () => BOXES.every((box) => (sink.boxes[box]?.size ?? 0) >= expected);
  let last = arrivals();
  let quietSince = Date.now();
  while (Date.now() < deadline && !(complete() && Date.now() - quietSince >= QUIET_MS)) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    const seen = arrivals();
    if (!isDeepStrictEqual(seen, last)) quietSince = Date.now();
    last = seen;
  }
}

function checkBox(box, sink, requests, sent, wrong, failures) {
  const arrived = sink.boxes[box] ?? new Map();
  const complain = (id, what) => {
    wrong.add(id);
    failures.push(`${box}: ${what}`);
  };
  requests.forEach((request, index) => {
    const id = sent[index]?.id;
    if (!id) return;
    const deliveries = arrived.get(id) ?? [];
    if (deliveries.length !== 1) return complain(id, `${request.name} (${id}) arrived ${deliveries.length} times`);
    const fault = box.endsWith('raw') ? rawFault(request, deliveries[0]) : envelopeFault(request, id, deliveries[0]);
    if (fault) complain(id, `${request.name} (${id}): ${fault}`);
  });
  const known = new Set(sent.map((event) => event?.id));
  for (const id of arrived.keys()) if (!known.has(id)) failures.push(`${box}: ${id} arrived, and was never sent`);
}

function rawFault(request, { body, headers }) {
  if (!body.equals(request.body)) return `its ${request.body.length} bytes came out as ${body.length} other ones`;
  if (headers['content-type'] !== 'application/json') return `came out as ${headers['content-type']}`;
  return undefined;
}

function envelopeFault(request, id, { body }) {
  const event = JSON.parse(body);
  if (event.id !== id || event.source !== 'github') return `its envelope names ${event.id} of ${event.source}`;
  if (!event.type.startsWith(request.name)) return `its type is ${event.type}`;
  return isDeepStrictEqual(event.data, request.payload) ? undefined : 'its data is not the payload';
}

/** The same libraries in another language, so that no quirk of one is taken for the standard. */
async function checkInPython(sink, failures) {
  const deliveries = BOXES.flatMap((box) => [...(sink.boxes[box]?.values() ?? [])].flat());
  for (const name of ['standardwebhooks', 'svix']) {
    const verdicts = await Promise.all(
      deliveries.map(({ headers, body }) =>
        askPython({ ask: `${name}.verify`, secret: SINK_SECRET, headers, body: body.toString('hex') }),
      ),
    );
    const refused = verdicts.filter((fine) => !fine).length;
    if (refused) failures.push(`${name} (PyPI) refuses ${refused} of ${deliveries.length} deliveries`);
  }

  const ids = new Set(deliveries.map(({ headers }) => headers['webhook-id']));
  if (ids.size !== deliveries.length) failures.push(`${deliveries.length} deliveries share ${ids.size} webhook-ids`);
}
