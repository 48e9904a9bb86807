// Shopify: its SDK makes no signatures, so the header follows its documentation; judged by webhooks.validate.
import { createHmac, randomUUID, webcrypto } from 'node:crypto';

import { freshSecret, payloads, respelledBase64, tamperedBodies, tamperedHeaders, withHeader } from '../cases.mjs';
import { post, received } from '../http.mjs';

const SECRET = freshSecret('shpss_');
const OLD = freshSecret('shpss_');
const HEADER = 'x-shopify-hmac-sha256';

export const sources = {
  shopify: { provider: 'shopify', secrets: [SECRET] },
  'shopify-rotating': { provider: 'shopify', secrets: [SECRET, OLD] },
};

export async function oracle() {
  // Node 18 keeps it out of sight, and the SDK looks for it there.
  globalThis.crypto ??= webcrypto;
  await import('@shopify/shopify-api/adapters/node');
  const { ApiVersion, LogSeverity, shopifyApi } = await import('@shopify/shopify-api');
  const appWith = (apiSecretKey) =>
    shopifyApi({
      apiKey: 'unused',
      apiSecretKey,
      apiVersion: ApiVersion.January26,
      hostName: 'hooks.example',
      isEmbeddedApp: false,
      logger: { level: LogSeverity.Error, log: () => {} },
    });

  const order = (extra) => ({ id: 820982911946154508, email: 'jon@example.com', total_price: '403.00', ...extra });
  const sign = (payload, secret) => createHmac('sha256', secret).update(payload).digest('base64');
  const signed = (payload, { secret = SECRET, source = 'shopify' } = {}) =>
    post(
      `/in/${source}`,
      {
        'content-type': 'application/json',
        'x-shopify-topic': 'orders/create',
        'x-shopify-shop-domain': 'acme.myshopify.com',
        'x-shopify-api-version': '2026-01',
        'x-shopify-webhook-id': randomUUID(),
        'x-shopify-event-id': randomUUID(),
        'x-shopify-triggered-at': new Date().toISOString(),
        [HEADER]: sign(payload, secret),
      },
      payload,
    );

  function cases() {
    const text = JSON.stringify(order({}));
    const honest = signed(text);
    const hex = createHmac('sha256', SECRET).update(text).digest('hex');
    return [
      ...payloads(order).map(([name, payload]) => ({ name, honest: true, request: signed(payload) })),
      ...rotating(text),
      { name: 'another secret', request: signed(text, { secret: freshSecret('shpss_') }) },
      { name: 'the secret without its prefix', request: signed(text, { secret: SECRET.slice('shpss_'.length) }) },
      { name: 'in hexadecimal', request: withHeader(honest, HEADER, hex) },
      { name: 'with a prefix', request: withHeader(honest, HEADER, `sha256=${honest.headers[HEADER]}`) },
      { name: 'under the header names of the newer events', honest: true, request: newerNames(honest) },
      { name: 'an empty body, signed', request: signed('') },
      ...tamperedBodies(honest),
      ...tamperedHeaders(honest, HEADER),
      ...respelledBase64(honest, HEADER),
    ];
  }

  function rotating(text) {
    const source = 'shopify-rotating';
    return [
      { name: 'the new of two secrets', source, honest: true, request: signed(text, { source }) },
      { name: 'the old of two secrets', source, honest: true, request: signed(text, { source, secret: OLD }) },
      { name: 'neither of two secrets', source, request: signed(text, { source, secret: freshSecret() }) },
    ];
  }

  const newerNames = (request) => ({
    ...request,
    headers: Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name.replace('x-shopify-', 'shopify-'), value]),
    ),
  });

  async function verify(sent, { secrets }) {
    const rawRequest = { method: sent.method, url: sent.path, headers: received(sent) };
    const verdicts = await Promise.all(
      secrets.map((secret) =>
        appWith(secret).webhooks.validate({ rawBody: sent.body.toString(), rawRequest, rawResponse: {} }),
      ),
    );
    return verdicts.some((verdict) => verdict.valid);
  }

  return { cases, verify };
}
