// HubSpot: signed by Signature.getSignature of @hubspot/api-client, judged by its Signature.isValid, in three versions.
import {
  PUBLIC_URL,
  freshSecret,
  moments,
  nowSeconds,
  respelledBase64,
  tamperedBodies,
  tamperedHeaders,
  withHeader,
} from '../cases.mjs';
import { post, received } from '../http.mjs';

const SECRET = freshSecret();
const OLD = freshSecret();
const OLD_HEADER = 'x-hubspot-signature';
const HEADER = 'x-hubspot-signature-v3';
const TIME = 'x-hubspot-request-timestamp';

// The third version has a provider of its own, so that no request passes on one of the weaker two.
const sourceOf = (version) => (version === 'v3' ? 'hubspot' : 'hubspot-legacy');

export const sources = {
  hubspot: { provider: 'hubspot', secrets: [SECRET] },
  'hubspot-rotating': { provider: 'hubspot', secrets: [SECRET, OLD] },
  'hubspot-legacy': { provider: 'hubspot-legacy', secrets: [SECRET] },
  'hubspot-legacy-rotating': { provider: 'hubspot-legacy', secrets: [SECRET, OLD] },
};

export async function oracle() {
  const { default: hubspot } = await import('@hubspot/api-client');
  const { Signature } = hubspot;

  let events = 0;
  const event = (extra) => ({
    eventId: Date.now() * 1000 + events++,
    subscriptionId: 25,
    portalId: 33,
    occurredAt: Date.now(),
    subscriptionType: 'contact.creation',
    attemptNumber: 0,
    objectId: 1246965,
    ...extra,
  });
  const body = (count = 1) => JSON.stringify(Array.from({ length: count }, () => event({})));

  /** A request signed in `version`; `url` is the one that HubSpot signed, if not the one that it called. */
  const signed = (version, requestBody, how = {}) => {
    const { source = sourceOf(version), query = '', secret = SECRET, at = String(Date.now()) } = how;
    const path = `/in/${source}${query}`;
    const { url = PUBLIC_URL + path } = how;
    const options = { clientSecret: secret, requestBody, url, timestamp: at };
    const signature = Signature.getSignature('POST', version, options);
    const proof =
      version === 'v3'
        ? { [HEADER]: signature, [TIME]: at }
        : { [OLD_HEADER]: signature, 'x-hubspot-signature-version': version };
    return post(path, { 'content-type': 'application/json', ...proof }, requestBody);
  };

  const versions = ['v1', 'v2', 'v3'];
  const eachVersion = (make) =>
    versions.flatMap((version) =>
      make(version).map((one) => ({ source: sourceOf(version), ...one, name: `${version}: ${one.name}` })),
    );

  const fair = (version) => [
    { name: 'one event', honest: true, request: signed(version, body()) },
    { name: 'forty events', honest: true, request: signed(version, body(40)) },
    { name: 'text beyond ASCII', honest: true, request: signed(version, JSON.stringify([event({ note: 'Żółć 🚀' })])) },
    { name: 'pretty', honest: true, request: signed(version, JSON.stringify([event({}), event({})], null, 2)) },
    { name: 'a query', honest: true, request: signed(version, body(), { query: '?shop=acme&n=1' }) },
    ...rotating(version),
  ];

  const rotating = (version) => {
    const source = `${sourceOf(version)}-rotating`;
    return [
      {
        name: 'the old of two secrets',
        source,
        honest: true,
        request: signed(version, body(), { source, secret: OLD }),
      },
      { name: 'neither of two secrets', source, request: signed(version, body(), { source, secret: freshSecret() }) },
    ];
  };

  const foul = (version) => {
    const honest = signed(version, body());
    const header = version === 'v3' ? HEADER : OLD_HEADER;
    const urls = version === 'v1' ? [] : otherUrls(version);
    return [
      { name: 'another secret', request: signed(version, body(), { secret: freshSecret() }) },
      { name: 'an empty body, signed', request: signed(version, '') },
      ...urls,
      ...tamperedBodies(honest),
      ...tamperedHeaders(honest, header),
    ];
  };

  const otherUrls = (version) => {
    const path = `/in/${sourceOf(version)}`;
    return [
      ['another path signed', { url: `${PUBLIC_URL}/in/other` }],
      ['another host signed', { url: `https://evil.example${path}` }],
      ['another scheme signed', { url: `http://hooks.example${path}` }],
      ['a port signed', { url: `${PUBLIC_URL}:8443${path}` }],
      ['a query signed that was not sent', { url: `${PUBLIC_URL}${path}?a=1` }],
      ['a query sent that was not signed', { query: '?a=1', url: PUBLIC_URL + path }],
    ].map(([name, how]) => ({ name, request: signed(version, body(), how) }));
  };

  const onlyThird = () => {
    const honest = signed('v3', body());
    return [
      { name: 'v3: a fresher time than was signed', request: withHeader(honest, TIME, String(Date.now() + 1000)) },
      { name: 'v3: no time', request: withHeader(honest, TIME, undefined) },
      { name: 'v3: an empty time', request: withHeader(honest, TIME, '') },
      { name: 'v3: seconds for milliseconds', request: signed('v3', body(), { at: String(nowSeconds()) }) },
      ...moments(1000).map(([name, at, honest]) => ({
        name: `v3: time: ${name}`,
        honest,
        request: signed('v3', body(), { at }),
      })),
      ...respelledBase64(honest, HEADER).map((one) => ({ ...one, name: `v3: ${one.name}` })),
    ];
  };

  const confused = () => {
    const legacy = 'hubspot-legacy';
    const first = signed('v1', body());
    const second = signed('v2', body());
    const version = 'x-hubspot-signature-version';
    return [
      { name: 'v1 said to be v2', source: legacy, request: withHeader(first, version, 'v2') },
      { name: 'v2 said to be v1', source: legacy, request: withHeader(second, version, 'v1') },
      { name: 'an unknown version', source: legacy, request: withHeader(first, version, 'v9') },
      { name: 'v1 where v3 is asked for', request: signed('v1', body(), { source: 'hubspot' }) },
      { name: 'v2 where v3 is asked for', request: signed('v2', body(), { source: 'hubspot' }) },
      { name: 'v3 where v1 or v2 is asked for', source: legacy, request: signed('v3', body(), { source: legacy }) },
    ];
  };

  const cases = () => [
    ...eachVersion((version) => [...fair(version), ...foul(version)]),
    ...onlyThird(),
    ...confused(),
  ];

  function verify(sent, { provider, secrets }) {
    const headers = received(sent);
    const third = provider === 'hubspot';
    const options = {
      signatureVersion: third ? 'v3' : (headers['x-hubspot-signature-version'] ?? 'v1'),
      signature: headers[third ? HEADER : OLD_HEADER],
      timestamp: headers[TIME],
      method: sent.method,
      url: PUBLIC_URL + sent.path,
      requestBody: sent.body.toString(),
    };
    return secrets.some((clientSecret) => {
      try {
        return Signature.isValid({ ...options, clientSecret });
      } catch {
        return false;
      }
    });
  }

  return { cases, verify };
}
