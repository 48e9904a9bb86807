// Standard Webhooks: signed by standardwebhooks and svix (npm); judged by both of them, from npm and from PyPI.
// What any of the three refuses has to be refused.
import { createHmac, randomBytes } from 'node:crypto';

import {
  freshId,
  moments,
  nowSeconds,
  payloads,
  respelledBase64,
  tamperedBodies,
  tamperedHeaders,
  withHeader,
} from '../cases.mjs';
import { post, received } from '../http.mjs';
import { askPython } from '../python.mjs';

const secret = () => `whsec_${randomBytes(24).toString('base64')}`;
const SECRET = secret();
const OLD = secret();
const ID = 'webhook-id';
const TIME = 'webhook-timestamp';
const HEADER = 'webhook-signature';

export const sources = {
  standard: { provider: 'standard-webhooks', secrets: [SECRET] },
  'standard-rotating': { provider: 'standard-webhooks', secrets: [SECRET, OLD] },
};

export async function oracle() {
  const { Webhook } = await import('standardwebhooks');
  const { Webhook: Svix } = await import('svix');

  const user = (extra) => ({
    type: 'user.created',
    timestamp: new Date().toISOString(),
    data: { id: '1f81eb52' },
    ...extra,
  });
  const body = () => JSON.stringify(user({}));

  const request = (payload, id, at, signature, source = 'standard') =>
    post(`/in/${source}`, { 'content-type': 'application/json', [ID]: id, [TIME]: at, [HEADER]: signature }, payload);

  const signed = (payload, { Signer = Webhook, key = SECRET, source } = {}) => {
    const id = freshId('msg_');
    const at = nowSeconds();
    return request(payload, id, String(at), new Signer(key).sign(id, new Date(at * 1000), payload), source);
  };

  /** For what the libraries would not write themselves: a time or an id as odd as one likes. */
  const handmade = (payload, at, id = freshId('msg_')) => {
    const key = Buffer.from(SECRET.slice('whsec_'.length), 'base64');
    const digest = createHmac('sha256', key).update(`${id}.${at}.${payload}`).digest('base64');
    return request(payload, id, at, `v1,${digest}`);
  };

  function cases() {
    const honest = signed(body());
    const v1 = honest.headers[HEADER];
    const forged = `v1,${Buffer.alloc(32).toString('base64')}`;
    const changed = (value) => withHeader(honest, HEADER, value);
    return [
      ...payloads(user).map(([name, payload]) => ({ name, honest: true, request: signed(payload) })),
      ...payloads(user).map(([name, payload]) => ({
        name: `svix: ${name}`,
        honest: true,
        request: signed(payload, { Signer: Svix }),
      })),
      { name: 'two signatures while the secret rotates', honest: true, request: changed(`${forged} ${v1}`) },
      { name: 'a signature of another kind before it', honest: true, request: changed(`v1a,AAAA ${v1}`) },
      ...rotating(),
      { name: 'another secret', request: signed(body(), { key: secret() }) },
      { name: 'another id than was signed', request: withHeader(honest, ID, freshId('msg_')) },
      { name: 'no id', request: withHeader(honest, ID, undefined) },
      { name: 'an empty id', request: withHeader(honest, ID, '') },
      { name: 'an empty id, signed', request: handmade(body(), String(nowSeconds()), '') },
      { name: 'id and time shifted by a dot', request: shifted() },
      { name: 'a fresher time than was signed', request: withHeader(honest, TIME, String(nowSeconds() + 1)) },
      { name: 'no time', request: withHeader(honest, TIME, undefined) },
      { name: 'an empty time', request: withHeader(honest, TIME, '') },
      { name: 'without its version', request: changed(v1.slice('v1,'.length)) },
      { name: 'an unknown version', request: changed(v1.replace('v1', 'v2')) },
      { name: 'commas between signatures', request: changed(`${forged},${v1}`) },
      { name: 'an empty body, signed', request: handmade('', String(nowSeconds())) },
      ...moments(1).map(([name, at, fair]) => ({ name: `time: ${name}`, honest: fair, request: handmade(body(), at) })),
      ...tamperedBodies(honest),
      ...tamperedHeaders(honest, HEADER),
      ...respelled(honest),
    ];
  }

  function rotating() {
    const source = 'standard-rotating';
    return [
      { name: 'the old of two secrets', source, honest: true, request: signed(body(), { key: OLD, source }) },
      { name: 'neither of two secrets', source, request: signed(body(), { key: secret(), source }) },
    ];
  }

  /** One signed text, cut another way: what was the body's beginning is said to be the time. */
  function shifted() {
    const at = String(nowSeconds());
    const id = freshId('msg_');
    const { headers } = handmade(`${at}.${body()}`, at, id);
    return request(body(), `${id}.${at}`, at, headers[HEADER]);
  }

  const respelled = (honest) =>
    respelledBase64(withHeader(honest, HEADER, honest.headers[HEADER].slice('v1,'.length)), HEADER).map((one) => ({
      ...one,
      request: withHeader(one.request, HEADER, `v1,${one.request.headers[HEADER]}`),
    }));

  async function both(question) {
    const verdicts = ['standardwebhooks.verify', 'svix.verify'].map((ask) => askPython({ ask, ...question }));
    return (await Promise.all(verdicts)).every(Boolean);
  }

  async function verify(sent, { secrets }) {
    const headers = received(sent);
    const text = sent.body.toString();
    const fine = (check) => {
      try {
        check();
        return true;
      } catch (error) {
        // Past the signature both libraries read the body as JSON; what it says is none of a signature's business.
        return error instanceof SyntaxError;
      }
    };
    const verdicts = await Promise.all(
      secrets.map(
        async (key) =>
          fine(() => new Webhook(key).verify(text, headers)) &&
          fine(() => new Svix(key).verify(text, headers)) &&
          (await both({ secret: key, headers, body: sent.body.toString('hex') })),
      ),
    );
    return verdicts.includes(true);
  }

  return { cases, verify };
}
