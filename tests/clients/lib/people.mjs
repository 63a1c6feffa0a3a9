// People with browsers: each keeps its cookies and its CSRF token; mails are read from the sandbox.
import assert from 'node:assert/strict';
import { until } from './house.mjs';

let count = 0;
// Hashing is not what is tried here; and each person has an address of his own.
export const QUICK = ['[login]', 'password_memory = 64K', '[server]', 'trusted_proxies = 127.0.0.1'];
let addresses = 0;
const address = () => `10.${++addresses >> 16 & 255}.${addresses >> 8 & 255}.${addresses & 255}`;

export class Person {
  cookies = new Map();
  address = address();
  roams = false; // another address with each request

  constructor(house, email, password) {
    this.house = house;
    this.email = email ?? `person${++count}@example.com`;
    this.password = house.keep(password ?? `PLANTED-password-${count}-${Math.random().toString(36).slice(2)}`);
  }

  // What a browser would send. csrf: undefined sends the right one on writes, null none.
  async ask(method, path, body, { csrf, headers = {}, keep = true } = {}) {
    if (this.roams) this.address = address();
    const h = { 'x-forwarded-for': this.address, ...headers };
    if (this.cookies.size) h.cookie = [...this.cookies].map(([k, v]) => `${k}=${v}`).join('; ');
    const token = csrf === undefined ? this.csrf : csrf;
    if (method !== 'GET' && token) h['x-csrf-token'] = token;
    if (body !== undefined) h['content-type'] ??= 'application/json';
    const r = await fetch(this.house.url + path, {
      method, headers: h, redirect: 'manual',
      body: body === undefined || typeof body === 'string' ? body : JSON.stringify(body),
    });
    if (keep)
      for (const line of r.headers.getSetCookie?.() ?? [r.headers.get('set-cookie')].filter(Boolean)) {
        const [pair] = line.split(';');
        const at = pair.indexOf('=');
        if (/Max-Age=0/.test(line)) this.cookies.delete(pair.slice(0, at));
        else this.cookies.set(pair.slice(0, at), this.house.keep(pair.slice(at + 1)));
      }
    const text = await r.text();
    return { status: r.status, headers: r.headers, text, json: /json/.test(r.headers.get('content-type') ?? '') ? JSON.parse(text) : null };
  }

  get = (path, o) => this.ask('GET', path, undefined, o);
  post = (path, body = {}, o) => this.ask('POST', path, body, o);
  patch = (path, body = {}, o) => this.ask('PATCH', path, body, o);
  del = (path, body, o) => this.ask('DELETE', path, body, o);

  // The newest mail to this person whose path begins so; waits for it.
  async mail(path, after = 0) {
    return until(`a mail to ${this.email} about ${path}`, async () => {
      const all = (await this.mails()).slice(after);
      const m = all.reverse().find((x) => x.text.includes(path));
      if (!m) return null;
      const token = new RegExp(`${path.replace(/[/?]/g, '\\$&')}\\?token=([0-9A-Za-z]+)`).exec(m.text);
      if (token) this.house.keep(token[1]);
      return { ...m, token: token?.[1] };
    });
  }
  mails = async () => (await this.house.sandbox.inbox()).filter((m) => m.to.includes(this.email));

  async signUp(more = {}) {
    const r = await this.post('/api/auth/signup', { email: this.email, password: this.password, ...more });
    assert.equal(r.status, 202, r.text);
    assert.deepEqual(r.json, { status: 'check_mail' });
    const { token } = await this.mail('/verify');
    const v = await this.post('/api/auth/verify', { token });
    assert.deepEqual(v.json, { verified: true, signed_in: true }, v.text);
    await this.me();
    return this;
  }

  async login(more = {}) {
    const r = await this.post('/api/auth/login', { email: this.email, password: this.password, ...more });
    if (r.json?.csrf_token) this.csrf = r.json.csrf_token;
    return r;
  }

  async me() {
    const r = await this.get('/api/me');
    assert.equal(r.status, 200, r.text);
    this.csrf = r.json.csrf_token;
    this.id = r.json.user.id;
    this.team = r.json.team.id;
    return r.json;
  }

  // The same person in another browser.
  other() {
    const p = new Person(this.house, this.email, this.password);
    return p;
  }
}

// Balances and limits are in memory, and change a moment after the rows of their transaction can be
// read. Who writes waits for all that was written before him, and for all that comes of it.
export async function written(operator) {
  const r = await operator.post('/api/admin/jobs/job_00000000000000000000000000/retry');
  assert.deepEqual([r.status, r.json.error.code], [404, 'not_found'], r.text);
}

// No job of these kinds is under way: given in the order in which one leaves another behind. None
// slips through while it sleeps or is tried again.
export async function idle(operator, ...kinds) {
  for (const kind of kinds)
    for (const state of ['scheduled', 'running', 'retrying', 'sleeping', 'running'])
      if ((await operator.get(`/api/admin/jobs?kind=${kind}&state=${state}&limit=1`)).json.data.length) return false;
  return true;
}

// A code of an authenticator app (RFC 6238).
export async function totp(base32, at = Date.now()) {
  const { createHmac } = await import('node:crypto');
  const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  const bits = [...base32].map((c) => digits.indexOf(c).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from(bits.match(/.{8}/g).map((b) => parseInt(b, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(at / 30000)));
  const mac = createHmac('sha1', key).update(counter).digest();
  const o = mac[19] & 15;
  return String((mac.readUInt32BE(o) & 0x7fffffff) % 1000000).padStart(6, '0');
}
