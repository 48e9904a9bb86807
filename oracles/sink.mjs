// The destination: an HTTP server that believes nothing unless the official Standard Webhooks library does.
import { randomBytes } from 'node:crypto';
import http from 'node:http';

/** As long as the library tolerates, a delivery may be judged later too, by the same library in another language. */
export const SINK_SECRET = `whsec_${randomBytes(32).toString('base64')}`;

/**
 * Resolves to `{ url(box), boxes, problems, close }`. What is POSTed to `url('x')` is kept in `boxes.x`, a Map from
 * event id to the deliveries that arrived for it; whatever the library refuses is a line in `problems`.
 */
export async function startSink() {
  const { Webhook } = await import('standardwebhooks');
  const official = new Webhook(SINK_SECRET);
  const boxes = {};
  const problems = [];

  const server = http.createServer((request, reply) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      keep(request, Buffer.concat(chunks));
      reply.writeHead(200).end();
    });
  });

  function keep({ url, headers }, body) {
    const id = headers['trireme-event-id'];
    try {
      official.verify(body, headers, { jsonParse: false });
    } catch (error) {
      problems.push(`${url}: a delivery of ${id} that standardwebhooks (npm) refuses: ${error.message}`);
    }
    if (!id) problems.push(`${url}: a delivery without trireme-event-id`);
    const box = (boxes[url.slice(1)] ??= new Map());
    box.set(id, [...(box.get(id) ?? []), { headers, body }]);
  }

  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { url: (box) => `http://127.0.0.1:${port}/${box}`, boxes, problems, close };
}
