// GitHub: signed by sign of @octokit/webhooks-methods, judged by its verifyWithFallback.
import { createHmac, randomUUID } from 'node:crypto';

import { freshSecret, payloads, tamperedBodies, tamperedHeaders, withHeader } from '../cases.mjs';
import { post, received } from '../http.mjs';

const SECRET = freshSecret();
const OLD = freshSecret();
const HEADER = 'x-hub-signature-256';

export const sources = {
  'github-sdk': { provider: 'github', secrets: [SECRET] },
  'github-rotating': { provider: 'github', secrets: [SECRET, OLD] },
};

export async function oracle() {
  const { sign, verifyWithFallback } = await import('@octokit/webhooks-methods');

  const issue = (extra) => ({ action: 'opened', issue: { number: 7, title: 'It leaks' }, ...extra });
  const request = (payload, signature, source = 'github-sdk') =>
    post(
      `/in/${source}`,
      {
        'content-type': 'application/json',
        'user-agent': 'GitHub-Hookshot/0000000',
        'x-github-event': 'issues',
        'x-github-delivery': randomUUID(),
        [HEADER]: signature,
      },
      payload,
    );
  const signed = async (payload, secret = SECRET, source = 'github-sdk') =>
    request(payload, await sign(secret, payload), source);

  async function cases() {
    const text = JSON.stringify(issue({}));
    const honest = await signed(text);
    const sha1 = createHmac('sha1', SECRET).update(text).digest('hex');
    const form = new URLSearchParams({ payload: text }).toString();
    return [
      ...(await Promise.all(
        payloads(issue).map(async ([name, payload]) => ({ name, honest: true, request: await signed(payload) })),
      )),
      {
        name: 'as a form',
        honest: true,
        request: withHeader(await signed(form), 'content-type', 'application/x-www-form-urlencoded'),
      },
      {
        name: 'the new of two secrets',
        source: 'github-rotating',
        honest: true,
        request: await signed(text, SECRET, 'github-rotating'),
      },
      {
        name: 'the old of two secrets',
        source: 'github-rotating',
        honest: true,
        request: await signed(text, OLD, 'github-rotating'),
      },
      {
        name: 'neither of two secrets',
        source: 'github-rotating',
        request: await signed(text, freshSecret(), 'github-rotating'),
      },
      { name: 'another secret', request: await signed(text, freshSecret()) },
      { name: 'the secret with a line end', request: await signed(text, `${SECRET}\n`) },
      { name: 'the older SHA-1 under the new name', request: request(text, `sha1=${sha1}`) },
      {
        name: 'only the older SHA-1',
        request: {
          ...withHeader(honest, HEADER, undefined),
          headers: { ...withHeader(honest, HEADER, undefined).headers, 'x-hub-signature': `sha1=${sha1}` },
        },
      },
      { name: 'the digest without its prefix', request: request(text, honest.headers[HEADER].slice('sha256='.length)) },
      { name: 'another prefix', request: request(text, honest.headers[HEADER].replace('sha256', 'sha512')) },
      { name: 'an empty body, signed', request: request('', `sha256=${createHmac('sha256', SECRET).digest('hex')}`) },
      ...tamperedBodies(honest),
      ...tamperedHeaders(honest, HEADER),
    ];
  }

  async function verify(sent, { secrets: [secret, ...others] }) {
    return verifyWithFallback(secret, sent.body.toString(), received(sent)[HEADER], others).catch(() => false);
  }

  return { cases, verify };
}
