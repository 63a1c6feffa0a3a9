// Who signs people in, on loopback: a certified issuer (oidc-provider).
import Provider from 'oidc-provider';
import { key, listen } from './signer.mjs';

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
