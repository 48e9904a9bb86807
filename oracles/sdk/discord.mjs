// Discord: signed with an Ed25519 key as its documentation says, judged by verifyKey of discord-interactions.
import { generateKeyPairSync, sign as signWith } from 'node:crypto';

import { freshId, moments, nowSeconds, payloads, tamperedBodies, tamperedHeaders, withHeader } from '../cases.mjs';
import { post, received } from '../http.mjs';

const HEADER = 'x-signature-ed25519';
const TIME = 'x-signature-timestamp';
const KEY_BYTES = 32;

const keys = generateKeyPairSync('ed25519');
const others = generateKeyPairSync('ed25519');
const publicHex = keys.publicKey.export({ type: 'spki', format: 'der' }).subarray(-KEY_BYTES).toString('hex');

export const sources = { discord: { provider: 'discord', secrets: [publicHex] } };

export async function oracle() {
  const { verifyKey } = await import('discord-interactions');

  const command = (extra) => ({ id: freshId(''), application_id: '100', type: 2, data: { name: 'roll' }, ...extra });
  const body = () => JSON.stringify(command({}));
  const signed = (payload, { at = String(nowSeconds()), key = keys.privateKey } = {}) =>
    post(
      '/in/discord',
      {
        'content-type': 'application/json',
        [TIME]: at,
        [HEADER]: signWith(null, Buffer.from(at + payload), key).toString('hex'),
      },
      payload,
    );

  function cases() {
    const honest = signed(body());
    const signature = honest.headers[HEADER];
    const half = signature.length / 2;
    const changed = (value) => withHeader(honest, HEADER, value);
    return [
      ...payloads(command).map(([name, payload]) => ({ name, honest: true, request: signed(payload) })),
      { name: 'a ping', honest: true, request: signed(JSON.stringify({ id: freshId(''), type: 1 })) },
      { name: 'a forged ping', request: signed(JSON.stringify({ type: 1 }), { key: others.privateKey }) },
      { name: 'another key', request: signed(body(), { key: others.privateKey }) },
      { name: 'a fresher time than was signed', request: withHeader(honest, TIME, String(nowSeconds() + 1)) },
      { name: 'no time', request: withHeader(honest, TIME, undefined) },
      { name: 'an empty time', request: withHeader(honest, TIME, '') },
      { name: 'all zeros', request: changed('0'.repeat(signature.length)) },
      { name: 'only its first half', request: changed(signature.slice(0, half) + '0'.repeat(half)) },
      {
        name: 'its scalar plus the order of the group',
        request: changed(signature.slice(0, half) + addOrder(signature.slice(half))),
      },
      { name: 'in base64', request: changed(Buffer.from(signature, 'hex').toString('base64')) },
      { name: 'an empty body, signed', request: signed('') },
      ...moments(1).map(([name, at, fair]) => ({
        name: `time: ${name}`,
        honest: fair,
        request: signed(body(), { at }),
      })),
      ...tamperedBodies(honest),
      ...tamperedHeaders(honest, HEADER),
    ];
  }

  async function verify(sent, { secrets }) {
    const headers = received(sent);
    return verifyKey(sent.body, headers[HEADER] ?? '', headers[TIME] ?? '', secrets[0]);
  }

  return { cases, verify };
}

/** A scalar that lazy verifiers take for the same: s + L, little-endian. */
function addOrder(scalarHex) {
  const order = (1n << 252n) + 27742317777372353535851937790883648493n;
  const scalar = BigInt(`0x${Buffer.from(scalarHex, 'hex').reverse().toString('hex')}`);
  const sum = (scalar + order).toString(16).padStart(scalarHex.length, '0');
  return Buffer.from(sum, 'hex').reverse().toString('hex');
}
