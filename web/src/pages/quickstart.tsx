import { KeyRound } from 'lucide-react';
import { useGet, useParam, useTitle } from '@/lib/hooks';
import { useBaseUrl, useOptions } from '@/lib/session';
import type { List, Model } from '@/lib/types';
import { Card, LinkButton, PageHeader } from '@/ui/basic';
import { Code, CopyButton } from '@/ui/data';
import { Tabs } from '@/ui/tabs';

const samples: [string, string, (base: string, model: string) => string, string?][] = [
  ['curl', 'curl', (base, model) => `curl ${base}/v1/chat/completions \\
  -H "Authorization: Bearer $API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{
    "model": "${model}",
    "messages": [{"role": "user", "content": "Hello"}]
  }'`],
  ['python', 'Python', (base, model) => `import os
from openai import OpenAI

client = OpenAI(base_url="${base}/v1", api_key=os.environ["API_KEY"])

stream = client.chat.completions.create(
    model="${model}",
    messages=[{"role": "user", "content": "Hello"}],
    stream=True,
    stream_options={"include_usage": True},
)
for chunk in stream:
    if chunk.choices and chunk.choices[0].delta.content:
        print(chunk.choices[0].delta.content, end="")
    if chunk.usage:
        print("\\ncost:", chunk.usage.cost)`, 'pip install openai'],
  ['js', 'JavaScript', (base, model) => `import OpenAI from 'openai';

const client = new OpenAI({
  baseURL: '${base}/v1',
  apiKey: process.env.API_KEY,
});

const answer = await client.chat.completions.create({
  model: '${model}',
  messages: [{ role: 'user', content: 'Hello' }],
});
console.log(answer.choices[0].message.content);`, 'npm install openai'],
];

export default function QuickStart() {
  useTitle('Quick start');
  const base = useBaseUrl();
  const { options } = useOptions();
  const models = useGet<List<Model>>('/api/models?limit=100');
  const list = models.data?.data ?? [];
  const model = list.find((m) => m.recommended)?.id ?? list[0]?.id ?? 'openai/gpt-4o-mini';
  const [tab, setTab] = useParam('in', 'curl');
  const sample = samples.find(([id]) => id === tab) ?? samples[0]!;
  const command = options.brand.name.toLowerCase().replace(/[^a-z0-9]/g, '') || 'tollgate';
  const steps = 'grid size-6 place-items-center rounded-full bg-brand/15 text-xs font-semibold text-brand-ink';
  return (
    <>
      <PageHeader title="Quick start" note="What speaks to OpenAI speaks to this: change the address and the key." />
      <div className="space-y-4">
        <Card title={<span className="flex items-center gap-2.5"><span className={steps}>1</span>Get a key</span>} action={<LinkButton to="/keys?new=1" look="primary" size="sm" icon={KeyRound}>Create a key</LinkButton>}>
          <p className="prose-soft mb-3">Keep it in an environment variable, never in your code.</p>
          <Code label="Set the key">{'export API_KEY="…"'}</Code>
        </Card>
        <Card title={<span className="flex items-center gap-2.5"><span className={steps}>2</span>Use this address</span>}>
          <div className="flex items-center justify-between gap-3 rounded-lg border border-line bg-sunk px-4 py-2.5"><code className="break-all font-mono text-sm">{base}/v1</code><CopyButton text={`${base}/v1`} label="Copy" /></div>
        </Card>
        <Card title={<span className="flex items-center gap-2.5"><span className={steps}>3</span>Make a call</span>}>
          <Tabs label="Language" value={sample[0]} onChange={setTab} tabs={samples.map(([id, name]) => [id, name])}>
            <div className="space-y-3">
              {sample[3] && <Code label="Install">{sample[3]}</Code>}
              <Code label={`Example in ${sample[1]}`}>{sample[2](base, model)}</Code>
            </div>
          </Tabs>
        </Card>
        <div className="grid gap-4 lg:grid-cols-2 [&>*]:min-w-0">
          <Card title="What a call costs">
            <p className="prose-soft">The answer's head has the cost and what is left of your credit; a stream has the cost in its last chunk when you ask for usage. Later it is under <a className="link" href="/usage">Usage</a>, by the request id.</p>
          </Card>
          <Card title="From a terminal">
            <p className="prose-soft mb-3">The command line signs in through this browser and keeps its own key.</p>
            <Code label="Command line">{`${command} login --url ${base}\n${command} chat`}</Code>
          </Card>
        </div>
      </div>
    </>
  );
}
