// SendGrid's event webhook: signed with a P-256 key as its documentation says, judged by @sendgrid/eventwebhook.
import { generateKeyPairSync, sign as signWith } from 'node:crypto';

import {
  freshId,
  moments,
  nowSeconds,
  respelledBase64,
  tamperedBodies,
  tamperedHeaders,
  withHeader,
} from '../cases.mjs';
import { post, received } from '../http.mjs';

const HEADER = 'x-twilio-email-event-webhook-signature';
const TIME = 'x-twilio-email-event-webhook-timestamp';

const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const others = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const elsewhere = generateKeyPairSync('ec', { namedCurve: 'secp256k1' });
const publicKey = keys.publicKey.export({ type: 'spki', format: 'der' }).toString('base64');

export const sources = { sendgrid: { provider: 'sendgrid', secrets: [publicKey] } };

export async function oracle() {
  const { default: sendgrid } = await import('@sendgrid/eventwebhook');
  const official = new sendgrid.EventWebhook();

  const event = (extra) => ({
    email: 'ada@example.com',
    timestamp: nowSeconds(),
    event: 'delivered',
    sg_event_id: freshId(''),
    sg_message_id: freshId(''),
    ...extra,
  });
  const body = (count = 1) => JSON.stringify(Array.from({ length: count }, () => event({})));
  const signed = (payload, { at = String(nowSeconds()), by = keys.privateKey, how = {} } = {}) =>
    post(
      '/in/sendgrid',
      {
        'content-type': 'application/json;charset=utf-8',
        [TIME]: at,
        [HEADER]: signWith('sha256', Buffer.from(at + payload), { key: by, ...how }).toString('base64'),
      },
      payload,
    );

  function cases() {
    const honest = signed(body());
    const mixed = JSON.stringify([event({ note: 'Żółć 🚀' }), event({ event: 'open' })], null, 2);
    const der = Buffer.from(honest.headers[HEADER], 'base64');
    const changed = (bytes) => withHeader(honest, HEADER, bytes.toString('base64'));
    return [
      { name: 'one event', honest: true, request: honest },
      { name: 'forty events', honest: true, request: signed(body(40)) },
      { name: 'pretty, with a last line end', honest: true, request: signed(`${mixed}\r\n`) },
      { name: 'text beyond ASCII', honest: true, request: signed(JSON.stringify(JSON.parse(mixed))) },
      { name: 'another key', request: signed(body(), { by: others.privateKey }) },
      { name: 'a key of another curve', request: signed(body(), { by: elsewhere.privateKey }) },
      { name: 'a fresher time than was signed', request: withHeader(honest, TIME, String(nowSeconds() + 1)) },
      { name: 'no time', request: withHeader(honest, TIME, undefined) },
      { name: 'an empty time', request: withHeader(honest, TIME, '') },
      { name: 'r and s bare, without DER', request: signed(body(), { how: { dsaEncoding: 'ieee-p1363' } }) },
      { name: 'r and s both zero', request: changed(Buffer.from('3006020100020100', 'hex')) },
      { name: 'bytes after the DER', request: changed(Buffer.concat([der, Buffer.from([0])])) },
      { name: 'an empty body, signed', request: signed('') },
      ...moments(1).map(([name, at, fair]) => ({
        name: `time: ${name}`,
        honest: fair,
        request: signed(body(), { at }),
      })),
      ...tamperedBodies(honest),
      ...tamperedHeaders(honest, HEADER),
      ...respelledBase64(honest, HEADER),
    ];
  }

  function verify(sent, { secrets }) {
    const headers = received(sent);
    const key = official.convertPublicKeyToECDSA(secrets[0]);
    try {
      return official.verifySignature(key, sent.body, headers[HEADER] ?? '', headers[TIME] ?? '');
    } catch {
      return false;
    }
  }

  return { cases, verify };
}
