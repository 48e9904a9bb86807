// One-way agreement with an official SDK: all that its generator makes is accepted, all that its verifier rejects is
// rejected. Where the SDK accepts and the gateway does not, the gateway is stricter: allowed, and listed.
import { ADMIN_KEY } from './gateway.mjs';
import { inParallel, send } from './http.mjs';
import { SINK_SECRET } from './sink.mjs';

const SENDERS = 4;
const ARRIVED_WITHIN_MS = 60_000;
const BOX = 'agreement';
/** An SDK is not agreed with by asking it nothing. */
const CASES_MIN = 20;

/** The sources of all SDKs, and one destination that gets what they accept. */
export function agreementConfig(sdks, sink) {
  const all = Object.entries(Object.assign({}, ...sdks.map((sdk) => sdk.sources)));
  const webhook = ({ provider, secrets, ...more }) => ({ provider, secret: secrets, ...more });
  return {
    sources: Object.fromEntries(all.map(([name, source]) => [name, { webhook: webhook(source) }])),
    destinations: { [BOX]: { http: { url: sink.url(BOX), secret: SINK_SECRET, body: 'raw' } } },
    routes: all.map(([from]) => ({ from, to: BOX })),
  };
}

/** Resolves to `{ name, cases, accepted, rejected, stricter, passed, failures, taken }`. */
export async function runAgreement(base, { name, sources, oracle }) {
  const { cases: makeCases, verify } = await oracle();
  const [first] = Object.keys(sources);
  const cases = await makeCases();
  const outcomes = await inParallel(SENDERS, cases, async ({ name, source = first, honest = false, request }) => {
    const official = await verify(request, sources[source]);
    const reply = await send(base, request).catch((error) => ({ status: 0, text: error.message }));
    return { name, source, request, reply, ...judge({ honest, official, reply }) };
  });

  const of = (verdict) => outcomes.filter((outcome) => outcome.verdict === verdict);
  const failures = of('wrong').map(({ name, why }) => `${name}: ${why}`);
  if (cases.length < CASES_MIN) failures.push(`only ${cases.length} cases, fewer than ${CASES_MIN}: they show nothing`);
  for (const verdict of ['accepted', 'rejected']) {
    if (of(verdict).length === 0) failures.push(`not one case was ${verdict}: they show nothing`);
  }
  return {
    name,
    cases: cases.length,
    accepted: of('accepted').length,
    rejected: of('rejected').length,
    stricter: of('stricter').map((outcome) => outcome.name),
    passed: cases.length - of('wrong').length,
    failures,
    taken: outcomes
      .filter(({ reply }) => isAccepted(reply))
      .map(({ source, request, reply }) => ({
        source,
        body: request.body,
        events: eventsOf(reply),
      })),
  };
}

function judge({ honest, official, reply }) {
  const ours = isAccepted(reply);
  const said = `the gateway answered ${reply.status}: ${reply.text.slice(0, 160)}`;
  const wrong = (why) => ({ verdict: 'wrong', why });
  if (honest && !official) return wrong('made as its sender does, yet the SDK rejects it: the case itself is wrong');
  if (!ours && reply.status !== 401) return wrong(`neither accepted nor rejected: ${said}`);
  if (honest && !ours) return wrong(`made as its sender does, yet ${said}`);
  if (!official && ours) return wrong(`the SDK rejects it, yet ${said}`);
  if (official && !ours) return { verdict: 'stricter' };
  return { verdict: ours ? 'accepted' : 'rejected' };
}

const isAccepted = ({ status }) => status >= 200 && status < 300;

/** The events that a reply names; a handshake's names none, nor does one in the words that a sender wants. */
function eventsOf({ text }) {
  try {
    return JSON.parse(text).events ?? [];
  } catch {
    return [];
  }
}

/**
 * What was accepted became events, every event reaches the destination once as bytes that were sent, and nothing else
 * does. Resolves to a list of complaints.
 */
export async function checkDeliveries(base, sink, results) {
  const taken = results.flatMap((result) => result.taken ?? []);
  const sources = new Set(taken.map(({ source }) => source));
  const known = (await listEvents(base)).filter(({ source }) => sources.has(source));
  const arrived = () => sink.boxes[BOX] ?? new Map();
  const deadline = Date.now() + ARRIVED_WITHIN_MS;
  while (arrived().size < known.length && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return [...complaintsOfEvents(taken, known), ...complaintsOfArrivals(taken, known, arrived())];
}

function complaintsOfEvents(taken, known) {
  const complaints = [];
  const listed = new Set(known.map(({ id }) => id));
  for (const source of new Set(taken.map((one) => one.source))) {
    const mine = taken.filter((one) => one.source === source);
    const named = new Set(mine.flatMap(({ events }) => events.map(({ id }) => id)));
    for (const id of named) if (!listed.has(id)) complaints.push(`${source}: ${id} was answered, and is not listed`);
    const count = known.filter((event) => event.source === source).length;
    const most = named.size + mine.filter(({ events }) => events.length === 0).length;
    if (count > most) complaints.push(`${source}: ${count} events of what can have been ${most} at most`);
  }
  if (known.length === 0) complaints.push('not one event is listed: this shows nothing');
  return complaints;
}

function complaintsOfArrivals(taken, known, arrived) {
  const complaints = [];
  for (const { id, source } of known) {
    const deliveries = arrived.get(id) ?? [];
    if (deliveries.length !== 1)
      complaints.push(`${source}: ${id} was accepted and arrived ${deliveries.length} times`);
    const sent = taken.filter((one) => one.source === source);
    if (!deliveries.every(({ body }) => sent.some((one) => one.body.includes(body)))) {
      complaints.push(`${source}: ${id} arrived as bytes that nobody sent`);
    }
  }
  const listed = new Set(known.map(({ id }) => id));
  for (const id of arrived.keys()) if (!listed.has(id)) complaints.push(`${id} arrived and is not listed`);
  return complaints;
}

/** Every event that the gateway has, page by page. */
async function listEvents(base) {
  const events = [];
  for (let cursor = ''; cursor !== null;) {
    const query = new URLSearchParams({ limit: '100', ...(cursor && { cursor }) });
    const reply = await fetch(`${base}/api/v1/events?${query}`, { headers: { authorization: `Bearer ${ADMIN_KEY}` } });
    if (!reply.ok) throw new Error(`GET /api/v1/events answered ${reply.status}: ${await reply.text()}`);
    const page = await reply.json();
    events.push(...page.data);
    cursor = page.next ?? null;
  }
  return events;
}
