// GitHub's way to sign people in, on loopback.
import { createHash, randomBytes } from 'node:crypto';
import { listen } from './signer.mjs';

// OAuth 2 with PKCE, /user and /user/emails.
export class Hub {
  static async start() {
    const h = new Hub();
    h.codes = new Map();
    Object.assign(h, await listen(async (rq, rs) => {
      const url = new URL(rq.url, 'http://x');
      const json = (x) => { rs.setHeader('content-type', 'application/json'); rs.end(JSON.stringify(x)); };
      if (url.pathname === '/login/oauth/authorize') {
        const code = randomBytes(8).toString('hex');
        h.codes.set(code, url.searchParams);
        const back = new URL(url.searchParams.get('redirect_uri'));
        back.search = new URLSearchParams({ code, state: url.searchParams.get('state') });
        rs.writeHead(302, { location: back.href });
        return rs.end();
      }
      if (url.pathname === '/login/oauth/access_token') {
        let text = '';
        for await (const d of rq) text += d;
        const form = new URLSearchParams(text), asked = h.codes.get(form.get('code'));
        h.codes.delete(form.get('code'));
        const challenge = createHash('sha256').update(form.get('code_verifier')).digest('base64url');
        const good = asked && form.get('client_secret') === 'PLANTED-hub-secret' && asked.get('code_challenge') === challenge;
        return json(good ? { access_token: 'PLANTED-hub-token', token_type: 'bearer' } : { error: 'bad_verification_code' });
      }
      if (rq.headers.authorization !== 'Bearer PLANTED-hub-token') { rs.statusCode = 401; return json({}); }
      return json(url.pathname === '/api/user' ? h.user : h.emails);
    }));
    return h;
  }
}
