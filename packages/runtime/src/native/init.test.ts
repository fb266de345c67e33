import assert from 'node:assert/strict';
import { test } from 'node:test';
import { INIT_SLOT, type Step } from '../plan/steps.ts';
import { Bench, Client, ENV, needsRoot } from './container.fixture.ts';

const init = (...argv: string[]): Step[] => [
  { op: 'mount', source: 'proc', path: '/proc', type: 'proc', flags: 0 },
  { op: 'setsid' },
  { op: 'exec', slot: INIT_SLOT, argv: ['/sbin/docker-init', '--', ...argv], env: ENV },
];

test('init ends as its child ends, by status or by signal', needsRoot, async () => {
  await using bench = new Bench();
  assert.equal((await (await bench.launch(init('sh', '-c', 'exit 11'))).exited).code, 11);
  assert.equal((await (await bench.launch(init('sh', '-c', 'kill -9 $$'))).exited).code, 137);
});

test('init forwards signals and reaps orphans', needsRoot, async () => {
  await using bench = new Bench();
  const client = new Client({ stdin: false, multiplexed: false });
  const script = `
    trap 'echo terminated; exit 3' TERM
    sh -c 'sh -c "exit 0" & exec true'
    echo ready
    while :; do sleep 0.05; done`;
  const shim = await bench.launch(init('sh', '-c', script), { attachments: [client.attachment] });
  await client.reads('ready');
  await shim.signal('init', 15);
  assert.equal((await shim.exited).code, 3);
  await client.ended;
  assert.match(client.text, /terminated/);
});

test('init says which program it did not find, and ends with 127', needsRoot, async () => {
  await using bench = new Bench();
  const client = new Client({ stdin: false, stdout: false, multiplexed: false });
  const shim = await bench.launch(init('nosuch'), { attachments: [client.attachment] });
  assert.equal((await shim.exited).code, 127);
  await client.ended;
  assert.match(client.text, /exec nosuch failed: No such file or directory/);
});

test('the binary that a container sees as its own executable cannot be written', needsRoot, async () => {
  await using bench = new Bench();
  const client = new Client({ stdin: false, multiplexed: false });
  const script = '(echo x > /proc/1/exe) 2>/dev/null || echo refused';
  const shim = await bench.launch(init('sh', '-c', script), { attachments: [client.attachment] });
  await shim.exited;
  await client.ended;
  assert.equal(client.text, 'refused\n');
});
