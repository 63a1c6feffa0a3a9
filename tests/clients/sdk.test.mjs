// The official OpenAI package, unchanged, against a house.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { House, PROMPT, until } from './lib/house.mjs';

let house, openai, requests;
const messages = [{ role: 'user', content: PROMPT }];
const chat = (extra) => ({ model: 'sandbox/echo', messages, ...extra });

function client(key, options = {}) {
  return new OpenAI({
    apiKey: key,
    baseURL: `${house.url}/v1`,
    fetch: (...args) => { requests++; return fetch(...args); },
    ...options,
  });
}

before(async () => {
  house = await House.start();
  openai = client(house.key);
});
after(() => house?.stop());

test('a completion', async () => {
  const { data, response } = await openai.chat.completions.create(chat()).withResponse();
  assert.equal(data.model, 'sandbox/echo');
  assert.match(data.id, /^req_[0-9A-Z]{26}$/);
  assert.equal(data.choices[0].message.content, PROMPT);
  assert.equal(data.choices[0].finish_reason, 'stop');
  assert.equal(data._request_id, response.headers.get('x-tollgate-request-id'));
  assert.equal(String(data.usage.cost), response.headers.get('x-tollgate-cost-usd'));
  assert.ok(data.usage.cost > 0 && data.usage.total_tokens > 0);
  for (const hidden of ['provider', 'cost_details', 'is_byok']) assert.ok(!JSON.stringify(data).includes(`"${hidden}"`));
  assert.equal(response.headers.get('x-tollgate-provider-tag'), 'shown');
});

test('a stream without usage', async () => {
  let text = '', chunks = 0;
  for await (const chunk of await openai.chat.completions.create(chat({ stream: true }))) {
    assert.equal(chunk.choices.length, 1); // as clients index it
    assert.ok(!('usage' in chunk) && !('provider' in chunk));
    text += chunk.choices[0].delta.content ?? '';
    chunks++;
  }
  assert.equal(text, PROMPT);
  assert.ok(chunks > 2);
});

test('a stream with usage', async () => {
  let text = '', usage;
  for await (const chunk of await openai.chat.completions.create(chat({ stream: true, stream_options: { include_usage: true } }))) {
    assert.match(chunk.id, /^req_/);
    assert.equal(chunk.model, 'sandbox/echo');
    text += chunk.choices[0]?.delta.content ?? '';
    if (chunk.usage) usage = chunk.usage;
  }
  assert.equal(text, PROMPT);
  assert.ok(usage.cost > 0 && usage.prompt_tokens > 0 && !('cost_details' in usage));
});

const tools = [{ type: 'function', function: { name: 'look', parameters: { type: 'object', properties: { q: { type: 'string' } }, required: ['q'] } } }];

test('tools, whole and streamed', async () => {
  const ask = [{ role: 'user', content: `${PROMPT}, by a tool` }];
  const whole = await openai.chat.completions.create(chat({ messages: ask, tools, tool_choice: 'required' }));
  const call = whole.choices[0].message.tool_calls[0];
  assert.equal(whole.choices[0].finish_reason, 'tool_calls');
  assert.equal(call.function.name, 'look');
  const runner = openai.chat.completions.stream(chat({ messages: ask, tools }));
  const final = await runner.finalChatCompletion();
  assert.deepEqual(final.choices[0].message.tool_calls[0].function.arguments, call.function.arguments);
  assert.equal(JSON.parse(call.function.arguments).q, ask[0].content);
  const next = await openai.chat.completions.create({
    model: 'sandbox/echo',
    messages: [...ask, whole.choices[0].message, { role: 'tool', tool_call_id: call.id, content: 'found' }],
  });
  assert.ok(next.choices[0].message.content.length > 0);
});

test('the stream helper gathers a whole completion', async () => {
  const stream = openai.chat.completions.stream(chat({ stream_options: { include_usage: true } }));
  const final = await stream.finalChatCompletion();
  assert.equal(final.choices[0].message.content, PROMPT);
  assert.ok((await stream.totalUsage()).total_tokens > 0);
});

test('an abort in mid-stream: charged, and found at /v1/generation', async () => {
  const { data: stream, response } = await openai.chat.completions
    .create(chat({ model: 'sandbox/stream-40-5', stream: true })).withResponse();
  let n = 0;
  for await (const chunk of stream) {
    assert.ok(chunk.choices);
    if (++n === 3) break; // the iterator's end aborts the request
  }
  const id = response.headers.get('x-request-id');
  const { data } = await until('the charge', async () => {
    const r = await house.fetch(`/v1/generation?id=${id}`);
    return r.status === 200 && r.json();
  });
  assert.equal(data.cancelled, true);
  assert.equal(data.basis, 'provider_usage');
  assert.equal(data.tokens_completion, 40);
  assert.ok(data.total_cost > 0);
});

test('n, logprobs, json_schema, images pass untouched', async () => {
  const two = await openai.chat.completions.create(chat({ n: 2, logprobs: true, top_logprobs: 1, seed: 7, user: 'u' }));
  assert.deepEqual(two.choices.map((c) => c.index), [0, 1]);
  assert.ok(two.choices[1].logprobs.content[0].token);
  const schema = { type: 'object', properties: { answer: { type: 'string' } }, required: ['answer'], additionalProperties: false };
  const shaped = await openai.chat.completions.create(chat({ response_format: { type: 'json_schema', json_schema: { name: 'a', strict: true, schema } } }));
  assert.ok('answer' in JSON.parse(shaped.choices[0].message.content));
  const content = [{ type: 'text', text: 'what is this' }, { type: 'image_url', image_url: { url: `data:image/png;base64,${'A'.repeat(4096)}` } }];
  const seen = await openai.chat.completions.create(chat({ messages: [{ role: 'user', content }] }));
  assert.ok(seen.usage.prompt_tokens > 50);
  const last = (await house.sandbox.requests()).requests.at(-1);
  assert.deepEqual(JSON.parse(last.body), { model: 'sandbox/echo', messages: [{ role: 'user', content }] });
});

test('completions and embeddings', async () => {
  const text = await openai.completions.create({ model: 'sandbox/echo', prompt: 'say it' });
  assert.equal(text.choices[0].text, 'say it');
  let streamed = '';
  for await (const c of await openai.completions.create({ model: 'sandbox/echo', prompt: 'say it', stream: true })) streamed += c.choices[0].text;
  assert.equal(streamed, 'say it');
  const vectors = await openai.embeddings.create({ model: 'sandbox/embedding', input: ['a', 'b'], dimensions: 4 });
  assert.deepEqual(vectors.data.map((d) => d.embedding.length), [4, 4]);
  assert.ok(vectors.usage.cost >= 0);
});

test('models: list and one', async () => {
  await house.json('admin', 'price', 'sync', '--provider', 'main');
  const ids = [];
  for await (const m of openai.models.list()) ids.push(m.id);
  assert.ok(ids.includes('sandbox/echo') && ids.includes('openai/gpt-4o-mini'));
  const one = await openai.models.retrieve('openai/gpt-4o-mini');
  assert.equal(one.pricing.prompt, '0.00000018'); // 20 % on 0.00000015
});

test('errors are the typed ones', async () => {
  await assert.rejects(client('tg_wrong').chat.completions.create(chat()), (e) =>
    e instanceof OpenAI.AuthenticationError && e.status === 401 && e.code === 'invalid_api_key' && e.type === 'authentication_error');
  await assert.rejects(openai.chat.completions.create({ model: 'sandbox/echo' }), (e) =>
    e instanceof OpenAI.BadRequestError && e.code === 'invalid_request' && e.param === 'messages');
  await house.ok(['admin', 'provider', 'add', 'only', '--kind', 'openai', '--base-url', `${house.sandbox.url}/v1`, '--api-key', 'x']);
  await assert.rejects(openai.models.retrieve('no/such'), (e) => e instanceof OpenAI.NotFoundError && e.code === 'model_not_found');
  const key = await house.json('admin', 'key', 'create', '--user', 'demo@example.com', '--models', 'other/*');
  await assert.rejects(client(house.keep(key.api_key)).chat.completions.create(chat()), (e) =>
    e instanceof OpenAI.PermissionDeniedError && e.code === 'model_not_allowed');
});

test('no credit: one request, not three', async () => {
  const poor = await house.json('admin', 'user', 'create', '--email', 'poor@example.com');
  requests = 0;
  await assert.rejects(client(house.keep(poor.api_key)).chat.completions.create(chat()), (e) => {
    assert.equal(e.status, 402);
    assert.equal(e.code, 'insufficient_credits');
    assert.ok(e.error.required && e.error.available === '0' && e.error.top_up_url);
    return true;
  });
  assert.equal(requests, 1);
});

test('over the rate: 429 with its time, and the package waits and succeeds', async () => {
  const fast = await house.json('admin', 'user', 'create', '--email', 'fast@example.com', '--credit', '1');
  // One in three seconds: a slow machine, too, comes with the second call while the first one counts.
  await house.ok(['admin', 'limits', 'set', '--user', 'fast@example.com', '--rpm', '20', '--burst', '1']);
  const hurry = client(house.keep(fast.api_key), { maxRetries: 0 });
  await hurry.chat.completions.create(chat());
  await assert.rejects(hurry.chat.completions.create(chat()), (e) =>
    e instanceof OpenAI.RateLimitError && e.code === 'rate_limit_exceeded' && Number(e.headers.get('retry-after-ms')) > 0);
  requests = 0;
  await client(fast.api_key).chat.completions.create(chat());
  assert.ok(requests === 2 || requests === 1);
});

test('upstream 503 and 429: the package tries again, 500 after dispatch as well, a charged one never', async () => {
  const before = (await house.sandbox.requests()).requests.length;
  requests = 0;
  await assert.rejects(client(house.key, { maxRetries: 1 }).chat.completions.create(chat({ model: 'sandbox/error-503' })), (e) =>
    e instanceof OpenAI.InternalServerError && e.status === 503 && e.code === 'upstream_unavailable');
  assert.equal(requests, 2);
  assert.ok((await house.sandbox.requests()).requests.length > before);
  requests = 0;
  await assert.rejects(client(house.key).chat.completions.create(chat({ model: 'sandbox/garbage' })), (e) => e.status === 502);
  assert.equal(requests, 1); // x-should-retry: false
});

test('an error in mid-stream is raised', async () => {
  let n = 0;
  await assert.rejects(async () => {
    for await (const chunk of await openai.chat.completions.create(chat({ model: 'sandbox/midstream-error', stream: true }))) n += chunk.choices.length;
  }, (e) => e instanceof OpenAI.APIError && e.code === 'upstream_error');
  assert.ok(n >= 1);
});

test('what was charged is what the sandbox served, call by call', async () => {
  const served = (await house.sandbox.ledger()).requests.filter((r) => r.completion_tokens > 0 || r.prompt_tokens > 0);
  const verdict = await until('all calls ended', async () => {
    const v = await house.verify();
    return v.open_holds === 0 && v;
  });
  assert.equal(verdict.ok, true);
  // (Without a start: what was in this month.)
  const { recent } = await (await house.fetch('/me/usage?recent_limit=1000&start=2026-01-01')).json();
  const lines = new Map(recent.map((l) => [l.request_id, l]));
  let compared = 0;
  for (const r of served) {
    const line = lines.get(r.client_request_id);
    if (!line) continue; // another user's
    compared++;
    assert.equal(line.input_tokens, r.prompt_tokens, JSON.stringify(r));
    if (!line.unresolved) assert.equal(line.output_tokens, r.completion_tokens, JSON.stringify(r));
  }
  assert.ok(compared >= 12, `${compared} of ${served.length}`);
});
