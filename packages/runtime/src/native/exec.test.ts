import assert from 'node:assert/strict';
import { closeSync, openSync, readlinkSync } from 'node:fs';
import { test } from 'node:test';
import type { Attachment, RunningExec, Shim } from '../launch.ts';
import type { Step } from '../plan/steps.ts';
import { Bench, Client, ENV, NO_STDIN, needsRoot, shell } from './container.fixture.ts';

let count = 0;

function exec(
  shim: Shim,
  child: readonly Step[],
  attachments: Attachment[] = [],
  stdio = NO_STDIN,
): Promise<RunningExec> {
  const id = (count++).toString(16).padStart(64, '0');
  return shim.exec({ id, plan: { prepare: [], child }, slots: [], stdio, attachments, timeoutMs: 5000 });
}

test('an exec runs in all namespaces of the container and reports its own end', needsRoot, async () => {
  await using bench = new Bench();
  const shim = await bench.launch([{ op: 'hostname', name: 'inside' }, ...shell('exec sleep 1000')]);
  const client = new Client({ stdin: false, multiplexed: false });
  const script = 'hostname; for n in mnt net ipc uts pid cgroup; do readlink /proc/thread-self/ns/$n; done; exit 9';
  const own: Step = { op: 'mount', source: 'proc', path: '/proc', type: 'proc', flags: 0 };
  const running = await exec(shim, [own, ...shell(script)], [client.attachment]);
  const { code } = await running.exited;
  await client.ended;
  assert.equal(code, 9);
  const expected = ['mnt', 'net', 'ipc', 'uts', 'pid', 'cgroup'].map(n => readlinkSync(`/proc/${shim.pid}/ns/${n}`));
  assert.deepEqual(client.text.trim().split('\n'), ['inside', ...expected]);
  assert.equal(shim.execs.size, 0);
});

test('an exec’s input, half-close and terminal are its own', needsRoot, async () => {
  await using bench = new Bench();
  const shim = await bench.launch('sleep 1000');
  const client = new Client();
  const stdio = { tty: false, openStdin: true, stdinOnce: true };
  const running = await exec(shim, shell('cat; echo done'), [client.attachment], stdio);
  client.socket.end('hello\n');
  await client.ended;
  assert.equal(client.streams.stdout, 'hello\ndone\n');
  assert.equal((await running.exited).code, 0);

  const terminal = new Client({ multiplexed: false });
  const steps: Step[] = [
    { op: 'setsid' },
    { op: 'console', ptmx: '/dev/ptmx', rows: 5, columns: 6, uid: 0 },
    { op: 'exec', argv: ['/bin/sh', '-c', 'stty size; test -t 0'], env: ENV },
  ];
  const tty = await exec(shim, steps, [terminal.attachment], { ...stdio, tty: true });
  await terminal.ended;
  assert.equal(terminal.text, '5 6\r\n');
  assert.equal((await tty.exited).code, 0);
});

test('an exec that cannot be executed tells its caller and its client', needsRoot, async () => {
  await using bench = new Bench();
  const shim = await bench.launch('sleep 1000');
  const client = new Client({ stdin: false });
  const message =
    'OCI runtime exec failed: exec failed: unable to start container process: exec: "nosuch": executable file not found in $PATH';
  await assert.rejects(exec(shim, [{ op: 'exec', argv: ['nosuch'], env: ENV }], [client.attachment]), {
    message,
    exitCode: 127,
  });
  await client.ended;
  assert.equal(client.streams.stdout, `${message}\r\n`);
});

test('execs are signalled and attached to by id, and many run at once', needsRoot, async () => {
  await using bench = new Bench();
  const shim = await bench.launch('sleep 1000');
  const codes = await Promise.all(
    Array.from({ length: 20 }, async (_, index) => (await (await exec(shim, shell(`exit ${index}`))).exited).code),
  );
  assert.deepEqual(codes, [...codes.keys()]);
  const running = await exec(shim, shell('while read x; do echo $x; done'), [], {
    tty: false,
    openStdin: true,
    stdinOnce: true,
  });
  const [execId] = shim.execs.keys();
  assert.ok(execId);
  const client = new Client();
  await shim.attach(client.attachment, { execId });
  client.socket.write('hi\n');
  await client.reads('hi');
  await shim.signal({ execId }, 15);
  assert.equal((await running.exited).code, 143);
  await client.ended;
});

test('an exec whose child keeps the output open ends all the same', needsRoot, async () => {
  await using bench = new Bench();
  const shim = await bench.launch('sleep 1000');
  const client = new Client({ stdin: false, multiplexed: false });
  const running = await exec(shim, shell('echo parent; sleep 1000 &'), [client.attachment]);
  assert.equal((await running.exited).code, 0);
  await client.ended;
  assert.equal(client.text, 'parent\n');
});

test('execs end with their container', needsRoot, async () => {
  await using bench = new Bench();
  const shim = await bench.launch('sleep 1000');
  const running = await exec(shim, shell('exec sleep 1000'));
  await shim.signal('init', 9);
  assert.equal((await shim.exited).signal, 9);
  assert.equal((await running.exited).signal, 9);
  await assert.rejects(exec(shim, shell('true')));
});

test('the shim keeps the root descriptor and gives copies of it', needsRoot, async () => {
  await using bench = new Bench();
  const root = openSync(bench.directory, 'r');
  const shim = await bench.launch('sleep 1000', { slots: [root], rootSlot: 0 });
  closeSync(root);
  const copy = await shim.rootDescriptor();
  assert.equal(readlinkSync(`/proc/self/fd/${copy}`), bench.directory);
  closeSync(copy);
});
