// Makes cases out of an honest request: what a sender's payload may look like, and what an attacker may do to it.
// No case says what is right: the official verifier does, case by case.
import { randomBytes } from 'node:crypto';

/** What senders call. Some sign it. */
export const PUBLIC_URL = 'https://hooks.example';

export const nowSeconds = () => Math.floor(Date.now() / 1000);
export const freshId = (prefix) => `${prefix}${randomBytes(12).toString('hex')}`;
export const freshSecret = (prefix = '') => prefix + randomBytes(24).toString('hex');

/** Payloads as real senders write them, as `[name, text]`; `make(extra)` gives the provider's own fields. */
export function payloads(make) {
  return [
    ['compact', JSON.stringify(make({}))],
    ['pretty, with a last line end', `${JSON.stringify(make({}), null, 2)}\n`],
    ['carriage returns', JSON.stringify(make({}), null, 2).replaceAll('\n', '\r\n')],
    ['text beyond ASCII', JSON.stringify(make({ note: 'Żółć 漢字 🚀 \u2028 e\u0301' }))],
    ['escapes', JSON.stringify(make({ note: 'x' })).replace('"x"', '"\\u0000\\ud83d\\ude80\\/<>&\\u0026"')],
    ['numbers beyond a double', JSON.stringify(make({ note: 'x' })).replace('"x"', '12345678901234567890.10e-7')],
    ['the same key twice', JSON.stringify(make({ note: 'x' })).replace('"note"', '"note":1,"note"')],
    ['300 KB', JSON.stringify(make({ note: 'lorem ipsum '.repeat(25_000) }))],
    ['300 levels deep', JSON.stringify(make({ note: 'x' })).replace('"x"', '['.repeat(300) + ']'.repeat(300))],
  ];
}

/** The request with its body changed in ways that no signature over the old one may survive. */
export function tamperedBodies(request) {
  const flip = (at) => {
    const body = Buffer.from(request.body);
    body[at] ^= 1;
    return body;
  };
  const { body } = request;
  const half = Math.floor(body.length / 2);
  return [
    ['first bit flipped', flip(0)],
    ['a middle bit flipped', flip(half)],
    ['last bit flipped', flip(body.length - 1)],
    ['a line end added', Buffer.concat([body, Buffer.from('\n')])],
    ['a NUL added', Buffer.concat([body, Buffer.from([0])])],
    ['a byte order mark put before it', Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), body])],
    ['cut by a byte', body.subarray(0, -1)],
    ['cut to half', body.subarray(0, half)],
    ['sent twice over', Buffer.concat([body, body])],
    ['emptied', Buffer.alloc(0)],
    ['a byte that is no UTF-8', Buffer.concat([body.subarray(0, half), Buffer.from([0xff]), body.subarray(half + 1)])],
  ].map(([name, changed]) => ({ name: `body: ${name}`, request: { ...request, body: changed } }));
}

/** The request with its signature header `header` changed, as forgers and broken proxies do. */
export function tamperedHeaders(request, header) {
  const value = request.headers[header];
  const at = (index) => value.slice(0, index) + (value[index] === '0' ? '1' : '0') + value.slice(index + 1);
  return [
    ['missing', undefined],
    ['empty', ''],
    ['only a blank', ' '],
    ['not a signature at all', 'open sesame'],
    ['its last character changed', at(value.length - 1)],
    ['its middle changed', at(value.length - 12)],
    ['cut by a character', value.slice(0, -1)],
    ['cut to half', value.slice(0, Math.floor(value.length / 2))],
    ['a character added', `${value}0`],
    ['upper case', value.toUpperCase()],
    ['in quotes', `"${value}"`],
    ['blanks around it', `  ${value}  `],
    ['a tab and a word after it', `${value}\tx`],
    ['a letter beyond ASCII added', `${value}\u00e9`],
    ['sent twice, alike', [value, value]],
    ['sent twice, the second forged', [value, at(value.length - 1)]],
    ['sent twice, the first forged', [at(value.length - 1), value]],
  ].map(([name, changed]) => ({ name: `${header}: ${name}`, request: withHeader(request, header, changed) }));
}

/** Ways to write the bytes of a base64 signature that are not the one way. */
export function respelledBase64(request, header) {
  const value = request.headers[header];
  const bytes = Buffer.from(value, 'base64');
  const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  const bare = value.replace(/=+$/, '');
  const sibling = digits[digits.indexOf(bare.at(-1)) + 1] ?? 'A';
  return [
    ['without padding', bare],
    ['more padding', `${value}=`],
    ['its unused bits set', bare.slice(0, -1) + sibling + value.slice(bare.length)],
    ['as hexadecimal', bytes.toString('hex')],
    ['a blank inside', `${value.slice(0, 10)} ${value.slice(10)}`],
  ].map(([name, changed]) => ({ name: `${header}: ${name}`, request: withHeader(request, header, changed) }));
}

/** Moments as a sender would write them and as it would not: `[name, text, honest]`. `unit` is 1, or 1000 for ms. */
export function moments(unit) {
  const now = nowSeconds();
  const write = (seconds) => String(seconds * unit);
  return [
    ['now', write(now), true],
    ['four minutes old', write(now - 240), true],
    ['ten minutes old', write(now - 600)],
    ['a year old', write(now - 31_536_000)],
    ['from 1970', '0'],
    ['one minute ahead', write(now + 60)],
    ['ten minutes ahead', write(now + 600)],
    ['an hour ahead', write(now + 3600)],
    ['before 1970', `-${write(now)}`],
    ['with a fraction', `${write(now)}.5`],
    ['with a plus', `+${write(now)}`],
    ['with leading zeros', `000${write(now)}`],
    ['with a word after it', `${write(now)}abc`],
    ['hexadecimal', `0x${(now * unit).toString(16)}`],
    ['in the other unit', String(unit === 1 ? now * 1000 : now)],
    ['past every integer', '9'.repeat(24)],
    ['a word', 'yesterday'],
    ['not a number', 'NaN'],
  ];
}

export function withHeader(request, header, value) {
  return { ...request, headers: { ...request.headers, [header]: value } };
}
