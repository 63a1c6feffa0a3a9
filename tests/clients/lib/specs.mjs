// Bodies held against what OpenAI and OpenRouter publish. Where the folder is not there: skip.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './house.mjs';

const specs = process.env.SPECS_DIR ?? join(root, '../shared/specs');
const openrouterFile = join(specs, 'openrouter/openapi.yaml');
const openaiFile = join(specs, 'openai/openapi.json');
export const skip = existsSync(openrouterFile) && existsSync(openaiFile) ? false : 'no specifications here';
let ajv;

// OpenAPI 3.0 lets `nullable` stand beside an enum or a $ref, which JSON Schema does not know.
function nullables(node) {
  if (Array.isArray(node)) return node.map(nullables);
  if (node === null || typeof node !== 'object') return node;
  const { nullable, ...rest } = Object.fromEntries(Object.entries(node).map(([k, v]) => [k, nullables(v)]));
  return nullable === true ? { anyOf: [rest, { type: 'null' }] } : rest;
}

export async function load() {
  if (skip) return;
  const { default: Ajv } = await import('ajv/dist/2020.js');
  const { parse } = await import('yaml');
  ajv = new Ajv({ strict: false, validateFormats: false, validateSchema: false, logger: false });
  ajv.addSchema({ ...parse(readFileSync(openrouterFile, 'utf8'), { maxAliasCount: -1 }), $id: 'openrouter' });
  ajv.addSchema({ ...nullables(JSON.parse(readFileSync(openaiFile, 'utf8'))), $id: 'openai' });
}

export function holds(doc, name, value) {
  const ref = `${doc}#/components/schemas/${name}`;
  const validate = ajv.getSchema(ref) ?? ajv.compile({ $ref: ref });
  assert.ok(validate(value), `${ref}: ${ajv.errorsText(validate.errors)}\n${JSON.stringify(value)}`);
}
