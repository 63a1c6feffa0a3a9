// Between a house and the sandbox's Stripe, to see what is asked, hold it up, or have it answered
// otherwise.
import { startUpstream } from './house.mjs';

// before: sees a request, which goes on when it has returned; after: what an answer's text becomes.
export function stripeProxy(sandbox, { before = () => {}, after = (rq, text) => text }) {
  return startUpstream(async (rq, rs, body) => {
    await before(rq, body);
    const key = rq.headers['idempotency-key'];
    const r = await fetch(`${sandbox.url}/stripe${rq.url}`, {
      method: rq.method, headers: { authorization: rq.headers.authorization ?? '', ...(key ? { 'idempotency-key': key } : {}) },
      body: rq.method === 'GET' ? undefined : body,
    });
    rs.writeHead(r.status, { 'content-type': 'application/json' });
    rs.end(after(rq, await r.text()));
  });
}
