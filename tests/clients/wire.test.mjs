// Upstreams that are large, slow to cut, or odd; and every body held against the published schemas.
import { test, before, after, describe } from 'node:test';
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { House, PROMPT, startUpstream, until } from './lib/house.mjs';
import { holds, load, skip } from './lib/specs.mjs';

let house, upstream, answer;
const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
const completion = (content) => JSON.stringify({
  id: 'up-1', object: 'chat.completion', created: 1, model: 'real', provider: 'Acme',
  choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }], usage,
});
const ask = (extra) => ({ model: 'sandbox/a', messages: [{ role: 'user', content: PROMPT }], ...extra });
const json = (text) => (rq, rs) => { rs.setHeader('content-type', 'application/json'); rs.end(text); };

before(async () => {
  upstream = await startUpstream((rq, rs, body) => answer(rq, rs, body));
  house = await House.start({ upstream: `${upstream.url}/v1`, kind: 'openai', config: ['[gateway]', 'answer_bytes_max = 1M'] });
});
after(async () => {
  await house?.stop();
  await upstream?.stop();
});

test('a request of 32 MiB goes through whole, one byte more is 413', async () => {
  answer = json(completion('x'));
  const frame = JSON.stringify(ask({ max_tokens: 1, messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: '' } }] }] }));
  const body = Buffer.from(frame.replace('"url":""', `"url":"${'A'.repeat(32 * 1024 * 1024 - frame.length)}"`));
  assert.equal(body.length, 32 * 1024 * 1024);
  const r = await house.fetch('/v1/chat/completions', { body });
  assert.equal(r.status, 200, await r.clone().text());
  assert.ok(upstream.seen.at(-1).body.equals(body), 'byte for byte');
  const more = await house.fetch('/v1/chat/completions', { body: Buffer.concat([body, Buffer.from(' ')]) }).catch((e) => e);
  assert.ok(more.status === 413 || more instanceof TypeError); // the connection may close under the body
});

test('an answer just within the buffer carries its cost, a larger one passes through', async () => {
  for (const [bytes, whole] of [[1024 * 1024 - 1000, true], [1024 * 1024 + 1, false], [20 * 1024 * 1024, false]]) {
    const frame = completion('').length;
    const text = completion('z'.repeat(bytes - frame));
    answer = json(text);
    const r = await house.fetch('/v1/chat/completions', { body: ask() });
    assert.equal(r.status, 200, `${bytes}: ${await r.clone().text()}`);
    assert.equal(r.headers.get('x-tollgate-cost-usd') !== null, whole, String(bytes));
    const got = await r.json();
    assert.match(got.id, /^req_/);
    assert.equal(got.model, 'sandbox/a');
    assert.ok(!('provider' in got));
    assert.equal(got.choices[0].message.content.length, bytes - frame);
    assert.equal(got.usage.cost, 0.0000054);
  }
});

test('a large answer whose usage comes first, or that has none', async () => {
  answer = json(`{"usage":${JSON.stringify(usage)},"model":"real","choices":[{"message":{"content":"${'y'.repeat(2 << 20)}"}}],"provider":"Acme"}`);
  const r = await house.fetch('/v1/chat/completions', { body: ask() });
  const got = await r.json();
  assert.equal(got.model, 'sandbox/a');
  assert.equal(got.choices[0].message.content.length, 2 << 20);
  assert.ok(!('provider' in got), 'the provider is not shown');
  const lines = async () => (await (await house.fetch('/me/usage?start=2026-01-01')).json()).recent; // else: this month's
  const line = await until('the line', async () => (await lines()).find((l) => l.request_id === r.headers.get('x-request-id')));
  assert.equal(line.output_tokens, 5);
});

test('a large answer that is cut is cut for the client', async () => {
  let cut;
  answer = (rq, rs) => {
    rs.writeHead(200, { 'content-type': 'application/json', 'content-length': String(4 << 20) });
    rs.write('{"choices":[{"message":{"content":"' + 'y'.repeat(2 << 20));
    cut = () => rs.destroy();
  };
  const r = await house.fetch('/v1/chat/completions', { body: ask() }); // it passes through by now
  assert.equal(r.status, 200);
  cut();
  await assert.rejects(r.text());
});

const events = [
  ...['Hel', 'lo, ', 'wörld ', '🦊'].map((c) => ({ id: 'u', object: 'chat.completion.chunk', created: 1, model: 'real', choices: [{ index: 0, delta: { content: c }, finish_reason: null }], usage: null })),
  { id: 'u', object: 'chat.completion.chunk', created: 1, model: 'real', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], usage: null },
  { id: 'u', object: 'chat.completion.chunk', created: 1, model: 'real', choices: [], usage },
];
const sse = (end) => Buffer.from(events.map((e) => `data: ${JSON.stringify(e)}${end}${end}`).join('') + `data: [DONE]${end}${end}`);

for (const [name, end, step] of [['each byte by itself', '\n', 1], ['seven bytes at a time, CRLF', '\r\n', 7], ['CR alone', '\r', 5], ['at once', '\n', 1e9]])
  test(`a stream in pieces: ${name}`, async () => {
    const bytes = sse(end);
    answer = async (rq, rs) => {
      rs.setHeader('content-type', 'text/event-stream');
      rs.socket.setNoDelay(true);
      for (let i = 0; i < bytes.length; i += step) {
        rs.write(bytes.subarray(i, i + step));
        if (i % (step * 16) === 0) await new Promise(setImmediate);
      }
      rs.end();
    };
    const text = await (await house.fetch('/v1/chat/completions', { body: ask({ stream: true }) })).text();
    const got = text.split('\n\n');
    assert.equal(got.pop(), '');
    assert.equal(got.pop(), 'data: [DONE]');
    const chunks = got.map((e) => JSON.parse(e.slice(6)));
    assert.equal(chunks.map((c) => c.choices[0].delta.content ?? '').join(''), 'Hello, wörld 🦊');
    assert.ok(chunks.every((c) => c.model === 'sandbox/a' && !('usage' in c) && c.id === chunks[0].id));
  });

// Streams made by a seed: what arrives is what a plain rewrite of each event gives, whatever changes
// from one event to the next.
test('streams of every shape', async () => {
  let seed = 20261120;
  const rnd = (n) => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) % 65536 % n;
  const texts = ['plain', 'a "quote"', 'back\\slash\\', 'line\nend', '🦊', '', '"usage":{}', '"provider"', 'x'.repeat(900), '}],"usage":null}'];
  for (let round = 0; round < 30; round++) {
    const wanted = rnd(2) === 1, made = [];
    const tail = [{}, { usage: null }, { system_fingerprint: 'f' }][rnd(3)];
    for (let i = 0, n = 1 + rnd(12); i < n; i++) {
      const odd = rnd(4) === 0 ? [{ provider: 'Acme' }, { model: 'acme/other' }, { id: 'up-9' }, { x: { provider: 1 } }, { usage: null }][rnd(5)] : {};
      const text = texts[rnd(texts.length)];
      const delta = [{ content: text }, { role: 'assistant', content: text }, { tool_calls: [{ index: 0, id: 'c', function: { name: 'f', arguments: text } }] }, { refusal: text }][rnd(6) % 4];
      made.push({ id: 'up-1', ...(rnd(9) === 0 ? { provider: 'Acme' } : {}), object: 'chat.completion.chunk', created: 1, model: 'real', choices: [{ index: rnd(2), delta, finish_reason: null }], ...tail, ...odd });
    }
    made.push({ id: 'up-1', object: 'chat.completion.chunk', created: 1, model: 'real', choices: [], usage });
    const bytes = Buffer.from(`${made.map((e) => `data: ${JSON.stringify(e)}\n\n`).join('')}data: [DONE]\n\n`);
    const step = [1e9, 64, 333][rnd(3)];
    answer = async (rq, rs) => {
      rs.setHeader('content-type', 'text/event-stream');
      for (let i = 0; i < bytes.length; i += step) {
        rs.write(bytes.subarray(i, i + step));
        await new Promise(setImmediate);
      }
      rs.end();
    };
    const r = await house.fetch('/v1/chat/completions', { body: ask({ stream: true, ...(wanted ? { stream_options: { include_usage: true } } : {}) }) });
    const got = (await r.text()).split('\n\n').filter((e) => e.startsWith('data: {')).map((e) => JSON.parse(e.slice(6)));
    const id = r.headers.get('x-request-id');
    const expected = made.map((e) => {
      const { provider, ...rest } = e;
      const shown = { ...rest, id, model: 'sandbox/a' };
      if (!wanted) delete shown.usage;
      else if (shown.usage) shown.usage = { ...usage, cost: 0.0000054 };
      return shown;
    });
    if (!wanted) expected.pop();
    assert.deepEqual(got, expected, `round ${round}`);
  }
});

test('the first event is with the client before the second one exists', async () => {
  let go;
  const gate = new Promise((done) => (go = done));
  answer = async (rq, rs) => {
    rs.setHeader('content-type', 'text/event-stream');
    rs.write(`data: ${JSON.stringify(events[0])}\n\n`);
    await gate;
    rs.end(sse('\n'));
  };
  const r = await house.fetch('/v1/chat/completions', { body: ask({ stream: true }) });
  const reader = r.body.getReader();
  const first = Buffer.from((await reader.read()).value).toString();
  assert.match(first, /^data: \{"id":"req_/);
  go();
  let rest = '';
  for (let part = await reader.read(); !part.done; part = await reader.read()) rest += Buffer.from(part.value).toString();
  assert.match(rest, /\[DONE\]\n\n$/);
});

test('a stream longer than any buffer, to a client that does not read, holds the upstream back', async () => {
  const one = Buffer.from(`data: ${JSON.stringify({ ...events[0], choices: [{ index: 0, delta: { content: 'm'.repeat(60000) } }] })}\n\n`);
  // The kernel's share: the buffers of two connections, each as large as it lets them grow.
  const most = (name) => Number(readFileSync(`/proc/sys/net/ipv4/${name}`, 'utf8').split(/\s+/)[2]);
  const bound = 2 * (most('tcp_rmem') + most('tcp_wmem')) + 8e6;
  let sent = 0, held = false;
  answer = async (rq, rs) => {
    rs.setHeader('content-type', 'text/event-stream');
    while (!held && sent < 4 * bound) {
      sent += one.length;
      if (!rs.write(one)) held = await Promise.race([once(rs, 'drain').then(() => false), sleep(400, true)]);
    }
    rs.end(sse('\n'));
  };
  const rss = await house.metric('process_resident_memory_bytes');
  const r = await house.fetch('/v1/chat/completions', { body: ask({ stream: true }) });
  await until('the upstream to be held back', () => held);
  assert.ok(sent < bound, `${sent} bytes were taken, ${bound} can be on their way`);
  assert.ok(await house.metric('process_resident_memory_bytes') < rss + 30e6);
  assert.match(await r.text(), /\[DONE\]\n\n$/);
});

test('an event larger than any should be ends the stream with an error', async () => {
  answer = (rq, rs) => {
    rs.setHeader('content-type', 'text/event-stream');
    rs.end(`data: {"x":"${'m'.repeat(5 << 20)}"}\n\n`);
  };
  const text = await (await house.fetch('/v1/chat/completions', { body: ask({ stream: true }) })).text();
  assert.match(text, /"code":"upstream_error"/);
});

test('idempotent calls: what was refused is not kept, another body is 422', async () => {
  answer = json(completion(PROMPT)); // what is kept of it is sealed: checkSecrets
  const headers = { 'idempotency-key': 'one' };
  const n = upstream.seen.length;
  const first = await house.fetch('/v1/chat/completions', { body: ask(), headers });
  const a = await first.text();
  const again = await house.fetch('/v1/chat/completions', { body: ask(), headers });
  assert.equal(await again.text(), a);
  assert.equal(again.headers.get('idempotency-replayed'), 'true');
  assert.equal(upstream.seen.length, n + 1);
  const other = await house.fetch('/v1/chat/completions', { body: ask({ seed: 1 }), headers });
  assert.equal(other.status, 422);
  assert.equal((await other.json()).error.code, 'idempotency_mismatch');
});

describe('published schemas', { skip }, () => {
  let real;
  before(async () => {
    await load();
    real = await House.start();
  });
  after(() => real?.stop());
  const post = async (path, body) => (await real.fetch(path, { body })).text();
  const bodies = {
    plain: {}, n: { n: 2, logprobs: true }, capped: { max_tokens: 1 },
    tools: { messages: [{ role: 'user', content: 'a tool' }], tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} } } }] },
  };
  for (const [name, extra] of Object.entries(bodies))
    test(`chat, ${name}`, async () => {
      const body = { ...ask(extra), model: 'sandbox/echo' };
      const whole = JSON.parse(await post('/v1/chat/completions', body));
      holds('openai', 'CreateChatCompletionResponse', whole);
      holds('openrouter', 'ChatResult', whole);
      for (const options of [{}, { stream_options: { include_usage: true } }]) {
        const text = await post('/v1/chat/completions', { ...body, stream: true, ...options });
        for (const e of text.split('\n\n').filter((e) => e.startsWith('data: {'))) holds('openai', 'CreateChatCompletionStreamResponse', JSON.parse(e.slice(6)));
      }
      for (const seen of (await real.sandbox.requests()).requests.filter((r) => /POST .*chat/.test(JSON.stringify(r)))) {
        holds('openai', 'CreateChatCompletionRequest', JSON.parse(seen.body));
        holds('openrouter', 'ChatRequest', JSON.parse(seen.body));
      }
    });
  test('completions, embeddings, models, errors', async () => {
    holds('openai', 'CreateCompletionResponse', JSON.parse(await post('/v1/completions', { model: 'sandbox/echo', prompt: 'x' })));
    holds('openai', 'CreateEmbeddingResponse', JSON.parse(await post('/v1/embeddings', { model: 'sandbox/embedding', input: 'x' })));
    holds('openai', 'ErrorResponse', JSON.parse(await post('/v1/chat/completions', { model: 'sandbox/echo' })));
    await real.json('admin', 'price', 'sync', '--provider', 'main');
    const models = await (await real.fetch('/v1/models')).json();
    holds('openai', 'ListModelsResponse', models);
  });
});
