// Stripe: header made by webhooks.generateTestHeaderString, judged by webhooks.signature.verifyHeader.
import { createHmac } from 'node:crypto';

import { freshId, freshSecret, moments, nowSeconds, payloads, tamperedBodies, tamperedHeaders } from '../cases.mjs';
import { post, received } from '../http.mjs';

const SECRET = freshSecret('whsec_');
const OLD = freshSecret('whsec_');
const OTHER = freshSecret('whsec_');

export const sources = {
  stripe: { provider: 'stripe', secrets: [SECRET] },
  'stripe-rotating': { provider: 'stripe', secrets: [SECRET, OLD] },
};

export async function oracle() {
  const { default: Stripe } = await import('stripe');
  const { webhooks } = new Stripe('sk_test_unused');

  const event = (extra) => ({
    id: freshId('evt_'),
    object: 'event',
    created: nowSeconds(),
    type: 'charge.succeeded',
    data: { object: { id: freshId('ch_'), object: 'charge', amount: 2000 } },
    ...extra,
  });
  const body = () => JSON.stringify(event({}));
  const header = (payload, secret = SECRET, more = {}) =>
    webhooks.generateTestHeaderString({ payload, secret, ...more });
  const request = (payload, signature, source = 'stripe') =>
    post(
      `/in/${source}`,
      { 'content-type': 'application/json; charset=utf-8', 'stripe-signature': signature },
      payload,
    );
  const honest = (payload = body()) => request(payload, header(payload));

  function cases() {
    const text = body();
    const stamp = nowSeconds();
    const good = header(text, SECRET, { timestamp: stamp });
    const digest = good.split('v1=')[1];
    const forged = '0'.repeat(64);
    const signedAt = (moment) => {
      const payload = body();
      const v1 = createHmac('sha256', SECRET).update(`${moment}.${payload}`).digest('hex');
      return request(payload, `t=${moment},v1=${v1}`);
    };
    return [
      ...payloads(event).map(([name, payload]) => ({ name, honest: true, request: honest(payload) })),
      {
        name: 'two signatures while the secret rolls',
        honest: true,
        request: request(text, `t=${stamp},v1=${forged},v1=${digest}`),
      },
      { name: 'beside the older scheme', honest: true, request: request(text, `${good},v0=${forged}`) },
      {
        name: 'the new of two secrets',
        source: 'stripe-rotating',
        honest: true,
        request: request(text, good, 'stripe-rotating'),
      },
      { name: 'the old of two secrets', source: 'stripe-rotating', honest: true, request: rotated(body(), OLD) },
      { name: 'neither of two secrets', source: 'stripe-rotating', request: rotated(body(), OTHER) },
      { name: 'another secret', request: request(text, header(text, OTHER)) },
      { name: 'only the older scheme', request: request(text, header(text, SECRET, { scheme: 'v0' })) },
      { name: 'an unknown scheme', request: request(text, header(text, SECRET, { scheme: 'v2' })) },
      { name: 'a fresher time than was signed', request: request(text, `t=${stamp + 1},v1=${digest}`) },
      { name: 'no time', request: request(text, `v1=${digest}`) },
      { name: 'two times, the last one signed', request: request(text, `t=1,t=${stamp},v1=${digest}`) },
      { name: 'two times, the first one signed', request: request(text, `t=${stamp},t=1,v1=${digest}`) },
      { name: 'the signature before the time', request: request(text, `v1=${digest},t=${stamp}`) },
      { name: 'blanks between the parts', request: request(text, `t=${stamp}, v1=${digest}`) },
      { name: 'an empty body, signed', request: request('', header('')) },
      ...moments(1).map(([name, moment, fair]) => ({ name: `time: ${name}`, honest: fair, request: signedAt(moment) })),
      ...tamperedBodies(honest()),
      ...tamperedHeaders(honest(), 'stripe-signature'),
    ];
  }

  const rotated = (payload, secret) => request(payload, header(payload, secret), 'stripe-rotating');

  function verify(sent, { secrets }) {
    const signature = received(sent)['stripe-signature'];
    return secrets.some((secret) =>
      isFine(() => webhooks.signature.verifyHeader(sent.body.toString(), signature, secret)),
    );
  }

  return { cases, verify };
}

function isFine(check) {
  try {
    return check();
  } catch {
    return false;
  }
}
