// The sandbox's answers, held against what OpenRouter and OpenAI publish of theirs.
// Needs the packages ajv and yaml, and the specifications in $SPECS_DIR (else: skipped).
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, '../..');
const specs = process.env.SPECS_DIR ?? join(root, '../shared/specs');
const sandbox = process.env.SANDBOX ?? join(root, 'build/tollgate-sandbox');
const openrouterFile = join(specs, 'openrouter/openapi.yaml');
const openaiFile = join(specs, 'openai/openapi.json');
const skip = existsSync(openrouterFile) && existsSync(openaiFile) ? false : 'no specifications here';

let child, base, ajv, openrouter;

// OpenAPI 3.0 lets `nullable` stand beside an enum or a $ref, which JSON Schema does not know.
function nullables(node) {
  if (Array.isArray(node)) return node.map(nullables);
  if (node === null || typeof node !== 'object') return node;
  const { nullable, ...rest } = Object.fromEntries(Object.entries(node).map(([k, v]) => [k, nullables(v)]));
  return nullable === true ? { anyOf: [rest, { type: 'null' }] } : rest;
}

before(async () => {
  if (skip) return;
  const { default: Ajv } = await import('ajv/dist/2020.js');
  const { parse } = await import('yaml');
  openrouter = parse(readFileSync(openrouterFile, 'utf8'), { maxAliasCount: -1 });
  const openai = JSON.parse(readFileSync(openaiFile, 'utf8'));
  ajv = new Ajv({ strict: false, validateFormats: false, validateSchema: false, logger: false });
  ajv.addSchema({ ...openrouter, $id: 'openrouter' });
  ajv.addSchema({ ...nullables(openai), $id: 'openai' });
  child = spawn(sandbox, ['--listen', '127.0.0.1:0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  base = await new Promise((done, failed) => {
    let text = '';
    child.once('exit', (code) => failed(new Error(`the sandbox ended with ${code}`)));
    child.stdout.on('data', (data) => {
      text += data;
      const found = /listening on (\S+)\n/.exec(text);
      if (found) done(`http://${found[1]}`);
    });
  });
});

after(() => child?.kill());

// A pointer into a published document, as JSON pointers write it.
const at = (doc, ...path) =>
  `${doc}#/${path.map((p) => String(p).replaceAll('~', '~0').replaceAll('/', '~1')).join('/')}`;
const schema = (doc, name) => at(doc, 'components', 'schemas', name);
const answerOf = (path, method, status) =>
  at('openrouter', 'paths', path, method, 'responses', status, 'content', 'application/json', 'schema');

function holds(ref, value) {
  const validate = ajv.getSchema(ref) ?? ajv.compile({ $ref: ref });
  assert.ok(validate(value), `${ref}: ${ajv.errorsText(validate.errors)}\n${JSON.stringify(value)}`);
}

async function call(path, body, method = body ? 'POST' : 'GET') {
  const answer = await fetch(base + path, {
    method,
    headers: { authorization: 'Bearer any', 'content-type': 'application/json' },
    body: body && JSON.stringify(body),
  });
  return { status: answer.status, text: await answer.text() };
}
const json = async (...args) => JSON.parse((await call(...args)).text);

const user = (content) => [{ role: 'user', content }];
const tools = [{ type: 'function', function: { name: 'look', parameters: { type: 'object', properties: { q: { type: 'string' } } } } }];
const chats = {
  echo: { messages: user('Hello') },
  tool: { messages: user('a tool'), tools },
  'logprobs, n, length': { messages: user('Hello, hello'), logprobs: true, top_logprobs: 2, n: 2, max_tokens: 1 },
  image: { messages: user([{ type: 'text', text: 'x' }, { type: 'image_url', image_url: { url: 'data:,' } }]) },
};

for (const [name, body] of Object.entries(chats)) {
  test(`chat, ${name}`, { skip }, async () => {
    const request = { model: 'sandbox/echo', ...body };
    holds(schema('openrouter', 'ChatResult'), await json('/api/v1/chat/completions', request));
    holds(schema('openai', 'CreateChatCompletionResponse'), await json('/v1/chat/completions', request));
  });
  test(`chat stream, ${name}`, { skip }, async () => {
    const request = { model: 'sandbox/echo', stream: true, stream_options: { include_usage: true }, ...body };
    for (const [path, ref] of [
      ['/api/v1/chat/completions', schema('openrouter', 'ChatStreamChunk')],
      ['/v1/chat/completions', schema('openai', 'CreateChatCompletionStreamResponse')],
    ]) {
      const events = (await call(path, request)).text.split('\n\n').filter((e) => e.startsWith('data: '));
      assert.equal(events.pop(), 'data: [DONE]');
      assert.ok(events.length > 2);
      for (const event of events) holds(ref, JSON.parse(event.slice(6)));
    }
  });
}

test('a stream that breaks', { skip }, async () => {
  const { text } = await call('/api/v1/chat/completions', { model: 'sandbox/midstream-error', stream: true, messages: user('x') });
  for (const event of text.split('\n\n').filter((e) => e.startsWith('data: ')))
    holds(schema('openrouter', 'ChatStreamChunk'), JSON.parse(event.slice(6)));
});

test('completions and embeddings', { skip }, async () => {
  holds(schema('openai', 'CreateCompletionResponse'), await json('/v1/completions', { model: 'sandbox/echo', prompt: 'x' }));
  const ask = { model: 'sandbox/embedding', input: ['a', 'b'], dimensions: 4 };
  holds(schema('openai', 'CreateEmbeddingResponse'), await json('/v1/embeddings', ask));
  holds(answerOf('/embeddings', 'post', 200), await json('/api/v1/embeddings', ask));
  const [plain, packed] = [await json('/v1/embeddings', ask), await json('/v1/embeddings', { ...ask, encoding_format: 'base64' })];
  const bytes = Buffer.from(packed.data[1].embedding, 'base64');
  assert.deepEqual(plain.data[1].embedding, [0, 1, 2, 3].map((i) => bytes.readFloatLE(4 * i)));
});

test('models, generation, key, credits', { skip }, async () => {
  holds(schema('openrouter', 'ModelsListResponse'), await json('/api/v1/models'));
  holds(schema('openrouter', 'ModelResponse'), await json('/api/v1/models/sandbox/echo'));
  holds(schema('openai', 'ListModelsResponse'), await json('/v1/models'));
  holds(schema('openai', 'Model'), await json('/v1/models/gpt-4o'));
  const made = await json('/api/v1/chat/completions', { model: 'sandbox/echo', messages: user('x') });
  holds(schema('openrouter', 'GenerationResponse'), await json(`/api/v1/generation?id=${made.id}`));
  holds(answerOf('/key', 'get', 200), await json('/api/v1/key'));
  holds(answerOf('/credits', 'get', 200), await json('/api/v1/credits'));
});

test('keys', { skip }, async () => {
  const made = await json('/api/v1/keys', { name: 'one', limit: 2.5, limit_reset: 'daily', expires_at: '2030-01-01T00:00:00Z' });
  holds(answerOf('/keys', 'post', 201), made);
  holds(answerOf('/keys', 'get', 200), await json('/api/v1/keys'));
  const path = `/api/v1/keys/${made.data.hash}`;
  holds(answerOf('/keys/{hash}', 'get', 200), await json(path));
  holds(answerOf('/keys/{hash}', 'patch', 200), await json(path, { disabled: true }, 'PATCH'));
  holds(answerOf('/keys/{hash}', 'delete', 200), await json(path, undefined, 'DELETE'));
});

test('errors', { skip }, async () => {
  for (const status of Object.keys(openrouter.paths['/chat/completions'].post.responses)) {
    if (status < 400) continue;
    const request = { model: `sandbox/error-${status}`, messages: user('x') };
    const said = await call('/api/v1/chat/completions', request);
    assert.equal(said.status, Number(status));
    holds(answerOf('/chat/completions', 'post', status), JSON.parse(said.text));
    holds(schema('openai', 'ErrorResponse'), await json('/v1/chat/completions', request));
  }
});
