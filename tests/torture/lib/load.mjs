// Clients: each asks for one thing after another, and remembers what it was told.
import http from 'node:http';
import { EventEmitter } from 'node:events';

const echo = (text) => ({ messages: [{ role: 'user', content: text }] });
const TOOLS = [{ type: 'function', function: { name: 'weather',
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } } }];

// What is asked for, and how often. Shapes are functions of luck.
export const MIX = [
  { weight: 24, model: 'sandbox/echo' },
  { weight: 6, model: 'sandbox/echo', stream: true },
  { weight: 4, model: 'sandbox/tokens-1000-50' },
  { weight: 3, model: 'sandbox/cached-10' },
  { weight: 2, model: 'sandbox/reasoning-20' },
  { weight: 6, model: 'sandbox/stream-20-0', stream: true },
  { weight: 5, model: 'sandbox/stream-50-2', stream: true },
  { weight: 2, model: 'sandbox/stream-120-12', stream: true },
  { weight: 4, model: 'sandbox/delay-50' },
  { weight: 2, model: 'sandbox/slow-body-80' },
  { weight: 2, model: 'sandbox/processing-60', stream: true },
  { weight: 2, model: 'sandbox/error-500' },
  { weight: 2, model: 'sandbox/error-429' },
  { weight: 1, model: 'sandbox/error-400' },
  { weight: 4, model: 'sandbox/flaky-50' },
  { weight: 2, model: 'sandbox/drop-50' },
  { weight: 2, model: 'sandbox/cut-30' },
  { weight: 2, model: 'sandbox/cut-3', stream: true },
  { weight: 3, model: 'sandbox/no-usage' },
  { weight: 2, model: 'sandbox/no-usage', stream: true },
  { weight: 1, model: 'sandbox/zero-usage' },
  { weight: 1, model: 'sandbox/garbage' },
  { weight: 1, model: 'sandbox/garbage', stream: true },
  { weight: 1, model: 'sandbox/midstream-error', stream: true },
  { weight: 2, model: 'sandbox/no-done', stream: true },
  { weight: 1, model: 'sandbox/reply-70000' },
  { weight: 1, model: 'sandbox/stall-2', stream: true, leave: 0.8 },
  { weight: 3, model: 'sandbox/echo', tools: true },
  { weight: 2, model: 'sandbox/echo', tools: true, stream: true },
  { weight: 3, model: 'gpt-4o' },
  { weight: 2, model: 'gpt-4o', stream: true },
  { weight: 2, model: 'text-embedding-3-small', path: '/v1/embeddings' },
  { weight: 2, model: 'sandbox/echo', path: '/v1/completions' },
  { weight: 4, model: 'plain-echo' },
  { weight: 3, model: 'plain-stream', stream: true },
  { weight: 2, model: 'plain-delay' },
  { weight: 1, model: 'plain-long', stream: true },
  { weight: 1, model: 'plain-cut' },
  { weight: 1, model: 'plain-cut', stream: true },
  { weight: 2, model: 'quick-stream', stream: true, leave: 0.5 },
  { weight: 1, model: 'no-such-model' },
  { weight: 1, model: 'sandbox/echo', broken: true },
  { weight: 1, model: 'sandbox/echo', badKey: true },
];

// Nothing that fails by itself, or is left by its client.
export const CALM = MIX.filter((m) => /echo$|tokens|cached|stream|delay|slow-body|processing|gpt|embedding/.test(m.model) &&
  !/midstream/.test(m.model) && !m.broken && !m.badKey && !m.leave).map((m) => ({ ...m, stays: true }));

function bodyOf(kind, rng) {
  const text = `${kind.tools ? 'use the tool: ' : ''}${'word '.repeat(rng.between(1, 60))}${rng.below(1e9)}`;
  if (kind.broken) return rng.chance(0.5) ? `{"model":"${kind.model}"}` : '{"model":';
  const body = { model: kind.model };
  if (kind.path === '/v1/embeddings') return JSON.stringify({ ...body, input: text });
  if (kind.path === '/v1/completions') body.prompt = text;
  else Object.assign(body, echo(text));
  if (kind.tools) body.tools = TOOLS;
  if (kind.stream) body.stream = true;
  if (kind.stream && rng.chance(0.6)) body.stream_options = { include_usage: true };
  if (kind.max) body.max_tokens = kind.max;
  else if (rng.chance(0.7)) body.max_tokens = 1000;
  return JSON.stringify(body);
}

export class Load extends EventEmitter {
  // `keys`: API keys that are drawn from; `house.url` may change at every restart.
  constructor(house, { rng, keys, clients = 64, mix = MIX, leave = 0.08 }) {
    super();
    this.setMaxListeners(0);
    Object.assign(this, { house, rng, keys, clients, mix, leave });
    this.seen = [];
    this.up = true;
    this.stopped = false;
    this.agent = new http.Agent({ keepAlive: true, maxSockets: Infinity });
    this.answers = 0;
  }

  run() {
    this.going = Promise.all(Array.from({ length: this.clients }, () => this.client()));
    return this;
  }

  async client() {
    while (!this.stopped) {
      if (!this.up) {
        await new Promise((done) => this.once('turn', done));
        continue;
      }
      const r = await this.call(this.rng.draw(this.mix), this.rng.pick(this.keys));
      this.seen.push(r);
      if (r.status === 200) this.answers++;
      this.emit('answer', r);
      if (r.error && this.up) await new Promise((done) => setTimeout(done, 5)); // it is going down
    }
  }

  // Resolves after so many more answers with 200, or when the load is stopped.
  after(n) {
    const goal = this.answers + n;
    return new Promise((done) => {
      const look = () => {
        if (this.answers < goal && !this.stopped) return;
        this.off('answer', look);
        done();
      };
      this.on('answer', look);
      look();
    });
  }

  pause() { this.up = false; this.agent.destroy(); }
  resume() { this.up = true; this.emit('turn'); }
  async stop() {
    this.stopped = true;
    this.emit('turn');
    await this.going;
    this.agent.destroy();
    return this.seen;
  }

  // One call: { id, model, status, code, complete, midstream, refused, cost, left, error, began, ended }.
  call(kind, key) {
    const rng = this.rng;
    const body = bodyOf(kind, rng);
    const leaves = !kind.stays && rng.chance(kind.leave ?? this.leave) ? rng.between(0, 3) : -1;
    const r = { model: kind.model, stream: !!kind.stream, complete: false, began: Date.now() };
    return new Promise((resolve) => {
      let over = false;
      const done = () => {
        if (over) return;
        over = true;
        r.ended = Date.now();
        resolve(r);
      };
      const url = new URL(this.house.url);
      const rq = http.request({ agent: this.agent, host: url.hostname, port: url.port, method: 'POST',
        path: kind.path ?? '/v1/chat/completions',
        headers: { authorization: `Bearer ${kind.badKey ? 'tg_no' : key}`, 'content-type': 'application/json',
          'content-length': Buffer.byteLength(body) } });
      const leave = () => { r.left = true; rq.destroy(); };
      rq.on('error', (e) => { r.error = e.code ?? e.message; done(); });
      rq.on('response', (res) => {
        r.status = res.statusCode;
        r.id = res.headers['x-tollgate-request-id'];
        r.cost = res.headers['x-tollgate-cost-usd'];
        let text = '', chunks = 0;
        res.setEncoding('utf8');
        res.on('data', (data) => {
          text += data;
          if (leaves > 1 && ++chunks >= leaves) leave();
        });
        res.on('error', (e) => { r.error = e.code ?? e.message; done(); });
        res.on('aborted', () => { r.error = 'aborted'; done(); });
        res.on('end', () => { this.read(r, text); done(); });
        if (leaves === 1) leave();
      });
      rq.on('close', done);
      rq.end(body);
      if (leaves === 0) setTimeout(leave, rng.below(40));
    });
  }

  read(r, text) {
    if (r.stream && r.status === 200) {
      r.midstream = text.includes('"finish_reason":"error"');
      r.complete = text.endsWith('data: [DONE]\n\n') || r.midstream;
      r.events = text.split('\n\n').length;
      const cost = /"cost":([0-9.eE+-]+)/.exec(text);
      if (cost) r.cost = cost[1];
      return;
    }
    r.complete = true;
    if (r.status !== 200) {
      try { r.code = JSON.parse(text).error.code; } catch { r.code = text.slice(0, 80); }
      // What is refused before anything was held.
      r.refused = r.status < 500 && !/^upstream/.test(r.code) &&
        ['invalid_json', 'invalid_request', 'invalid_api_key', 'model_not_found', 'insufficient_credits',
          'spend_cap_reached', 'missing_api_key'].includes(r.code) && !/error-4/.test(r.model);
    }
  }
}
