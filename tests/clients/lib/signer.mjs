// An issuer of tokens on loopback, that needs nothing but Node.
import { createServer } from 'node:http';
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';

export async function listen(handler) {
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
