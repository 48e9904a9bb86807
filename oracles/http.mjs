// Sends a request exactly as given, and sees one as a server would: what an SDK would be handed by its framework.
import http from 'node:http';

const REPLY_AFTER_MS = 15_000;
const agent = new http.Agent({ keepAlive: true, maxSockets: 16 });

/** A request to send. A header's value may be a list: it is then sent once for each; or undefined: it is not sent. */
export function post(path, headers, body) {
  return { method: 'POST', path, headers, body: Buffer.from(body) };
}

/** Sends it to the gateway at `base` and resolves to `{ status, text }`. */
export function send(base, { method, path, headers, body }) {
  const { hostname, port } = new URL(base);
  const given = Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined));
  const options = { agent, hostname, port, method, path, headers: given, timeout: REPLY_AFTER_MS };
  return new Promise((resolve, reject) => {
    const request = http.request(options, (reply) => {
      const chunks = [];
      reply.on('data', (chunk) => chunks.push(chunk));
      reply.on('end', () => resolve({ status: reply.statusCode, text: Buffer.concat(chunks).toString() }));
      reply.on('error', reject);
    });
    request.on('timeout', () => request.destroy(new Error(`no reply within ${REPLY_AFTER_MS} ms`)));
    request.on('error', reject);
    request.end(body);
  });
}

/** Closes the kept connections, so that the gateway can drain and this program can end. */
export function hangUp() {
  agent.destroy();
}

/** The headers as a server sees them: lower-cased, trimmed, repeated ones joined. */
export function received({ headers }) {
  const seen = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined) continue;
    seen[name.toLowerCase()] = [value]
      .flat()
      .map((one) => String(one).trim())
      .join(', ');
  }
  return seen;
}

/** Runs `work` over `items`, at most `width` at a time, and keeps their order in the result. */
export async function inParallel(width, items, work) {
  const results = new Array(items.length);
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const index = next++;
      results[index] = await work(items[index], index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker));
  return results;
}
