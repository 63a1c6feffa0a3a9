// Issuers on loopback: a certified one (oidc-provider), one that only signs tokens, and GitHub's way.
import { createServer } from 'node:http';
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import Provider from 'oidc-provider';

async function listen(handler) {
  const server = createServer(handler);
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    stop: () => new Promise((done) => { server.closeAllConnections?.(); server.close(done); }),
  };
}

export function key(kid = randomBytes(4).toString('hex')) {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const own = { kid, alg: 'ES256', use: 'sig' };
  return { kid, privateKey, jwk: { ...publicKey.export({ format: 'jwk' }), ...own }, secret: { ...privateKey.export({ format: 'jwk' }), ...own } };
}

// people: { id: { email, email_verified, name } }; `who` signs in without a question.
export class Certified {
  static async start(people) {
    const o = new Certified();
    o.people = people;
    o.answer = { error: null };
    const at = await listen((rq, rs) => o.handle(rq, rs));
    Object.assign(o, at);
    o.keys = [key()];
    return o;
  }

  // Once the house's address is known; again with other keys, as an issuer rotates them.
  open(redirect_uris, keys = this.keys) {
    this.keys = keys;
    this.redirect_uris = redirect_uris;
    const people = this.people;
    this.provider = new Provider(this.url, {
      clients: [{ client_id: 'house', client_secret: 'PLANTED-client-secret', redirect_uris, id_token_signed_response_alg: 'ES256' }],
      jwks: { keys: keys.map((k) => k.secret) },
      cookies: { keys: ['x'] },
      claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
      findAccount: (ctx, id) => ({ accountId: id, claims: async () => ({ sub: id, ...people[id] }) }),
      features: { devInteractions: { enabled: false } },
      interactions: { url: (ctx, i) => `/interaction/${i.uid}` },
      pkce: { required: () => true },
      ttl: { Interaction: 60, Session: 60, Grant: 60, AccessToken: 60, IdToken: 60 },
      loadExistingGrant: async (ctx) => {
        const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
        grant.addOIDCScope('openid email profile');
        await grant.save();
        return grant;
      },
    });
    this.call = this.provider.callback();
  }

  async handle(rq, rs) {
    if (this.deaf) return rq.socket.destroy();
    if (!rq.url.startsWith('/interaction/')) return this.call(rq, rs);
    const result = this.refuses ? { error: 'access_denied' } : { login: { accountId: this.who } };
    return this.provider.interactionFinished(rq, rs, result, { mergeWithLastSubmission: false });
  }
}

const b64 = (x) => Buffer.from(typeof x === 'string' ? x : JSON.stringify(x)).toString('base64url');
export const now = () => Math.floor(Date.now() / 1000);

// Signs tokens and serves its keys, as Clerk, Supabase and Auth0 do.
export class Signer {
  static async start() {
    const s = new Signer();
    s.keys = [key('one')];
    s.asked = 0;
    Object.assign(s, await listen((rq, rs) => {
      if (s.down) return rq.socket.destroy();
      rs.setHeader('content-type', 'application/json');
      if (rq.url === '/.well-known/openid-configuration')
        return rs.end(JSON.stringify({ issuer: s.says ?? s.url, jwks_uri: `${s.url}/jwks` }));
      s.asked++;
      return rs.end(JSON.stringify({ keys: s.keys.map((k) => k.jwk) }));
    }));
    return s;
  }

  token(claims, { k = this.keys[0], head = {} } = {}) {
    const t = { iss: this.url, aud: 'house', iat: now(), exp: now() + 60, ...claims };
    const content = `${b64({ alg: 'ES256', kid: k.kid, typ: 'JWT', ...head })}.${b64(t)}`;
    const sig = sign('sha256', Buffer.from(content), { key: k.privateKey, dsaEncoding: 'ieee-p1363' });
    return `${content}.${sig.toString('base64url')}`;
  }
}

// GitHub: OAuth 2 with PKCE, /user and /user/emails.
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
