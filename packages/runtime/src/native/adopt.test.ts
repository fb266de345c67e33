import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { adoptShim } from './adopt.ts';
import { Bench, Client, NO_STDIN, needsRoot, shell } from './container.fixture.ts';

test('a container outlives its daemon’s connection and is adopted with its execs', needsRoot, async () => {
  await using bench = new Bench();
  const runDir = bench.runDir();
  const client = new Client();
  const first = await bench.launch('while read x; do echo $x; done', {
    runDir,
    stdio: { tty: false, openStdin: true, stdinOnce: false },
    attachments: [client.attachment],
  });
  const id = 'e'.repeat(64);
  const plan = { prepare: [], child: shell('exec sleep 1000') };
  const exec = await first.exec({ id, plan, slots: [], stdio: NO_STDIN, attachments: [], timeoutMs: 5000 });
  await first[Symbol.asyncDispose]();

  const adopted = await adoptShim(first.id, runDir);
  assert.ok(adopted.state === 'running');
  await using shim = adopted.shim;
  assert.equal(shim.pid, first.pid);
  assert.equal(shim.shimPid, first.shimPid);
  assert.equal(shim.startedAtNs, first.startedAtNs);
  assert.equal(shim.execs.get(id)?.pid, exec.pid);
  // The client that was attached before has not noticed.
  client.socket.write('still here\n');
  await client.reads('still here');
  const ended = shim.execs.get(id)?.exited;
  await shim.signal({ execId: id }, 15);
  assert.equal((await ended)?.signal, 15);
  await shim.signal('init', 9);
  assert.equal((await shim.exited).signal, 9);
});

test('an end that nobody saw is found later', needsRoot, async () => {
  await using bench = new Bench();
  const runDir = bench.runDir();
  const client = new Client({ stdin: false });
  const shim = await bench.launch('exit 6', { runDir, attachments: [client.attachment] });
  await shim[Symbol.asyncDispose]();
  await client.ended;
  const adopted = await adoptShim(shim.id, runDir);
  assert.ok(adopted.state === 'exited');
  assert.equal(adopted.exit.code, 6);
});

test('a run directory without shim and status is gone, as is one whose shim was killed', needsRoot, async () => {
  await using bench = new Bench();
  assert.deepEqual(await adoptShim('x', bench.runDir()), { state: 'gone' });
  assert.deepEqual(await adoptShim('x', join(bench.directory, 'nosuch')), { state: 'gone' });
  const runDir = bench.runDir();
  const shim = await bench.launch('sleep 1000', { runDir });
  process.kill(shim.shimPid, 'SIGKILL');
  await shim.lost;
  assert.deepEqual(await adoptShim(shim.id, runDir), { state: 'gone' });
  process.kill(shim.pid, 'SIGKILL');
});

test('a run directory may have a longer path than a socket address', needsRoot, async () => {
  await using bench = new Bench();
  const runDir = join(bench.directory, 'd'.repeat(100), 'e'.repeat(100));
  mkdirSync(runDir, { recursive: true });
  const shim = await bench.launch('sleep 1000', { runDir });
  const adopted = await adoptShim(shim.id, runDir);
  assert.equal(adopted.state, 'running');
  if (adopted.state === 'running') await adopted.shim[Symbol.asyncDispose]();
});
