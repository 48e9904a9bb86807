// One-way agreement with an official SDK: all that its generator makes is accepted, all that its verifier rejects is
// rejected. Where the SDK accepts and the gateway does not, the gateway is stricter: allowed, and listed.
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

/** Resolves to `{ name, cases, accepted, rejected, stricter, passed, failures, events }`. */
export async function runAgreement(base, { name, sources, oracle }) {
  const { cases: makeCases, verify } = await oracle();
  const [first] = Object.keys(sources);
  const cases = await makeCases();
  const outcomes = await inParallel(SENDERS, cases, async ({ name, source = first, honest = false, request }) => {
    const official = await verify(request, sources[source]);
    const reply = await send(base, request).catch((error) => ({ status: 0, text: error.message }));
    return { name, honest, official, reply, ...judge({ honest, official, reply }) };
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
    events: of('accepted').flatMap(({ reply }) => eventsOf(reply)),
  };
}

function judge({ honest, official, reply }) {
  const ours = reply.status >= 200 && reply.status < 300;
  const said = `the gateway answered ${reply.status}: ${reply.text.slice(0, 160)}`;
  const wrong = (why) => ({ verdict: 'wrong', why });
  if (honest && !official) return wrong('made as its sender does, yet the SDK rejects it: the case itself is wrong');
  if (!ours && reply.status !== 401) return wrong(`neither accepted nor rejected: ${said}`);
  if (honest && !ours) return wrong(`made as its sender does, yet ${said}`);
  if (!official && ours) return wrong(`the SDK rejects it, yet ${said}`);
  if (official && !ours) return { verdict: 'stricter' };
  return { verdict: ours ? 'accepted' : 'rejected' };
}

/** The events of an accepted request; a handshake's answer names none. */
function eventsOf({ text }) {
  try {
    return JSON.parse(text).events ?? [];
  } catch {
    return [];
  }
}

/** What was accepted reaches the destination once, and nothing else does. Resolves to a list of complaints. */
export async function checkDeliveries(sink, results) {
  const expected = new Set(results.flatMap(({ events }) => events.map(({ id }) => id)));
  const arrived = () => sink.boxes[BOX] ?? new Map();
  const deadline = Date.now() + ARRIVED_WITHIN_MS;
  while (arrived().size < expected.size && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const complaints = [];
  for (const id of expected) {
    const times = arrived().get(id)?.length ?? 0;
    if (times !== 1) complaints.push(`${id} was accepted and arrived ${times} times`);
  }
  for (const id of arrived().keys()) {
    if (!expected.has(id)) complaints.push(`${id} arrived and was never accepted`);
  }
  return complaints;
}
