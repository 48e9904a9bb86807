// Twilio: signed by getExpectedTwilioSignature, judged by validateIncomingRequest as its Express middleware does.
import { parse } from 'node:querystring';

import {
  PUBLIC_URL,
  freshId,
  freshSecret,
  respelledBase64,
  tamperedBodies,
  tamperedHeaders,
  withHeader,
} from '../cases.mjs';
import { post, received } from '../http.mjs';

const TOKEN = freshSecret();
const OLD = freshSecret();
const HEADER = 'x-twilio-signature';
const FORM = 'application/x-www-form-urlencoded; charset=UTF-8';

export const sources = {
  twilio: { provider: 'twilio', secrets: [TOKEN] },
  'twilio-rotating': { provider: 'twilio', secrets: [TOKEN, OLD] },
};

export async function oracle() {
  const { default: twilio } = await import('twilio');
  const { getExpectedBodyHash, getExpectedTwilioSignature } = await import('twilio/lib/webhooks/webhooks.js');

  const status = (extra) => ({
    MessageSid: freshId('SM'),
    AccountSid: 'AC0000000000000000000000000000000a',
    MessageStatus: 'delivered',
    To: '+15558675310',
    ...extra,
  });

  /** A form POST as Twilio sends it; `url` is the one that it signed, if not the one that it called. */
  const form = (params, { path = '/in/twilio', url = PUBLIC_URL + path, token = TOKEN } = {}) =>
    post(
      path,
      { 'content-type': FORM, [HEADER]: getExpectedTwilioSignature(token, url, params) },
      new URLSearchParams(
        Object.entries(params).flatMap(([name, value]) => [value].flat().map((v) => [name, v])),
      ).toString(),
    );

  /** A JSON POST: the body's digest stands in the query, and only the URL is signed. */
  const json = (payload, { hash = getExpectedBodyHash(payload), query = '', token = TOKEN } = {}) => {
    const path = `/in/twilio?${query}bodySHA256=${hash}`;
    const signature = getExpectedTwilioSignature(token, PUBLIC_URL + path, {});
    return post(path, { 'content-type': 'application/json', [HEADER]: signature }, payload);
  };

  const port = (number) => ({ url: `${PUBLIC_URL}:${number}/in/twilio` });
  const path = (tail) => ({ path: `/in/twilio${tail}` });
  const text = () => JSON.stringify({ sid: freshId('WK'), payload: { note: 'Żółć 🚀' } });

  const fair = () => [
    ['a form', form(status({}))],
    ['values that need escapes', form(status({ Body: 'a&b=c+d %20 é 漢字 🚀\r\n"x"' }))],
    ['an empty value', form(status({ Body: '' }))],
    ['names that sort by case', form(status({ b: '1', B: '2', _: '3', a: '4' }))],
    [
      'a name given three times',
      form(status({ MediaUrl: ['https://b.example', 'https://a.example', 'https://b.example'] })),
    ],
    ['a query', form(status({}), path('?shop=acme&n=1'))],
    ['a query with escapes', form(status({}), path('?q=a%20b%2Bc&empty=&x'))],
    ['the URL signed with its port', form(status({}), port(443))],
    ['the old of two tokens', form(status({}), { path: '/in/twilio-rotating', token: OLD }), 'twilio-rotating'],
    ['JSON with its digest in the query', json(text())],
    ['JSON after other parameters', json(text(), { query: 'shop=acme&' })],
  ];

  const foul = () => {
    const honest = form(status({}));
    const more = (addition) => ({ ...honest, body: Buffer.concat([honest.body, Buffer.from(addition)]) });
    const good = json(text());
    return [
      ['another token', form(status({}), { token: freshSecret() })],
      [
        'neither of two tokens',
        form(status({}), { path: '/in/twilio-rotating', token: freshSecret() }),
        'twilio-rotating',
      ],
      ['another path signed', form(status({}), { url: `${PUBLIC_URL}/in/other` })],
      ['another host signed', form(status({}), { url: 'https://evil.example/in/twilio' })],
      ['another scheme signed', form(status({}), { url: 'http://hooks.example/in/twilio' })],
      ['another port signed', form(status({}), port(8443))],
      ['a slash at its end signed', form(status({}), { url: `${PUBLIC_URL}/in/twilio/` })],
      ['upper-case host signed', form(status({}), { url: 'https://HOOKS.example/in/twilio' })],
      ['a query signed that was not sent', form(status({}), { url: `${PUBLIC_URL}/in/twilio?shop=acme` })],
      ['a query sent that was not signed', form(status({}), { ...path('?shop=acme'), url: `${PUBLIC_URL}/in/twilio` })],
      [
        'a query whose order was changed',
        form(status({}), { ...path('?b=2&a=1'), url: `${PUBLIC_URL}/in/twilio?a=1&b=2` }),
      ],
      ["a query signed with an escaped '", form(status({}), { ...path("?q='"), url: `${PUBLIC_URL}/in/twilio?q=%27` })],
      ['a parameter added', more('&Extra=1')],
      ['an empty parameter added', more('&=')],
      ['a parameter given a second time', more('&To=%2B15558675310')],
      [
        'a name that swallows its value',
        { ...honest, body: Buffer.from(honest.body.toString().replace('To=', 'To%2B=')) },
      ],
      ['a form sent as text', withHeader(honest, 'content-type', 'text/plain')],
      ['a form sent as JSON', withHeader(honest, 'content-type', 'application/json')],
      ['a form without a type', withHeader(honest, 'content-type', undefined)],
      ['JSON changed after its digest', { ...good, body: Buffer.from(text()) }],
      ['JSON with the digest of another', json(text(), { hash: getExpectedBodyHash(text()) })],
      ['JSON with an empty digest', json(text(), { hash: '' })],
      ['JSON with its digest in upper case', upperDigest(text())],
      ['JSON with two digests, the last one right', json(text(), { query: `bodySHA256=${'0'.repeat(64)}&` })],
      ['JSON without a digest', unbound(text())],
      ['an empty body without a digest', unbound('')],
      ...tamperedJson(good),
    ];
  };

  const upperDigest = (payload) => json(payload, { hash: getExpectedBodyHash(payload).toUpperCase() });
  const unbound = (payload) =>
    post(
      '/in/twilio',
      {
        'content-type': 'application/json',
        [HEADER]: getExpectedTwilioSignature(TOKEN, `${PUBLIC_URL}/in/twilio`, {}),
      },
      payload,
    );
  const tamperedJson = (good) => tamperedBodies(good).map(({ name, request }) => [`JSON ${name}`, request]);

  function cases() {
    const honest = form(status({}));
    return [
      ...fair().map(([name, request, source]) => ({ name, source, honest: true, request })),
      ...foul().map(([name, request, source]) => ({ name, source, request })),
      ...tamperedBodies(honest),
      ...tamperedHeaders(honest, HEADER),
      ...respelledBase64(honest, HEADER),
    ];
  }

  function verify(sent, { secrets }) {
    const headers = received(sent);
    const isForm = (headers['content-type'] ?? '').startsWith('application/x-www-form-urlencoded');
    const request = {
      protocol: 'https',
      headers,
      header: (name) => headers[name.toLowerCase()],
      originalUrl: sent.path,
      rawBody: sent.body.toString(),
      body: isForm ? { ...parse(sent.body.toString()) } : {},
    };
    return secrets.some((token) => twilio.validateIncomingRequest(request, token, { url: PUBLIC_URL + sent.path }));
  }

  return { cases, verify };
}
