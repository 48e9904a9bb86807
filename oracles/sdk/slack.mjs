// Slack: signed by SignatureVerifier.generate_signature of slack_sdk (PyPI), judged by its is_valid_request.
import {
  freshId,
  freshSecret,
  moments,
  nowSeconds,
  payloads,
  tamperedBodies,
  tamperedHeaders,
  withHeader,
} from '../cases.mjs';
import { post, received } from '../http.mjs';
import { askPython } from '../python.mjs';

const SECRET = freshSecret();
const OLD = freshSecret();
const HEADER = 'x-slack-signature';
const TIME = 'x-slack-request-timestamp';

export const sources = {
  slack: { provider: 'slack', secrets: [SECRET] },
  'slack-rotating': { provider: 'slack', secrets: [SECRET, OLD] },
};

export async function oracle() {
  const sign = (body, timestamp, secret) =>
    askPython({ ask: 'slack.sign', secret, timestamp, body: Buffer.from(body).toString('hex') });

  const message = (extra) => ({
    type: 'event_callback',
    team_id: 'T0001',
    event_id: freshId('Ev'),
    event_time: nowSeconds(),
    event: { type: 'message', text: 'hello', channel: 'C0001' },
    ...extra,
  });
  const body = () => JSON.stringify(message({}));
  const signed = async (
    payload,
    { at = String(nowSeconds()), secret = SECRET, source = 'slack', type = 'application/json' } = {},
  ) => post(`/in/${source}`, { 'content-type': type, [TIME]: at, [HEADER]: await sign(payload, at, secret) }, payload);

  async function cases() {
    const command = new URLSearchParams({ command: '/deploy', text: 'now & then = ünïcode +1', team_id: 'T0001' });
    const form = { type: 'application/x-www-form-urlencoded' };
    const honest = await signed(body());
    const digest = honest.headers[HEADER].slice('v0='.length);
    const list = [
      ...payloads(message).map(([name, payload]) => [name, payload, {}, true]),
      ['a slash command', command.toString(), form, true],
      ['an interaction', new URLSearchParams({ payload: body() }).toString(), form, true],
      ['the new of two secrets', body(), { source: 'slack-rotating' }, true],
      ['the old of two secrets', body(), { source: 'slack-rotating', secret: OLD }, true],
      ['neither of two secrets', body(), { source: 'slack-rotating', secret: freshSecret() }],
      ['another secret', body(), { secret: freshSecret() }],
      ['an empty body, signed', '', {}],
      ...moments(1).map(([name, at, fair]) => [`time: ${name}`, body(), { at }, fair]),
    ];
    return [
      ...(await Promise.all(
        list.map(async ([name, payload, how, fair]) => ({
          name,
          source: how.source,
          honest: fair,
          request: await signed(payload, how),
        })),
      )),
      { name: 'a fresher time than was signed', request: withHeader(honest, TIME, String(nowSeconds() + 1)) },
      { name: 'no time', request: withHeader(honest, TIME, undefined) },
      { name: 'an empty time', request: withHeader(honest, TIME, '') },
      { name: 'two times', request: withHeader(honest, TIME, [honest.headers[TIME], '0']) },
      { name: 'another version', request: withHeader(honest, HEADER, `v1=${digest}`) },
      { name: 'the digest without its version', request: withHeader(honest, HEADER, digest) },
      ...tamperedBodies(honest),
      ...tamperedHeaders(honest, HEADER),
    ];
  }

  async function verify(sent, { secrets }) {
    const question = { ask: 'slack.verify', headers: received(sent), body: sent.body.toString('hex') };
    const verdicts = await Promise.all(secrets.map((secret) => askPython({ ...question, secret })));
    return verdicts.includes(true);
  }

  return { cases, verify };
}
