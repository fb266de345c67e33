import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { GantryError } from '@gantry/errors';
import { keepAcrossExec, socketPair } from '@gantry/linux';
import type { Step } from '../plan/steps.ts';
import { Bench, Client, ENV, needsRoot, shell } from './container.fixture.ts';
import { readExitFile } from './exit-file.ts';

const CLONE_NEWNET = 0x40000000;
const O_CLOEXEC = 0o2000000;

test('the exit status of the first process is reported and durable before it is announced', needsRoot, async () => {
  await using bench = new Bench();
  const runDir = bench.runDir();
  const shim = await bench.launch('exit 42', { runDir });
  const status = await shim.exited;
  assert.equal(status.code, 42);
  assert.equal(status.signal, undefined);
  assert.deepEqual(await readExitFile(runDir), status);
  assert.ok(Math.abs(Number(status.exitedAtNs / 1_000_000n) - Date.now()) < 5000);
});

test('a process ended by a signal reports 128 and the signal', needsRoot, async () => {
  await using bench = new Bench();
  const shim = await bench.launch([{ op: 'exec', argv: ['sleep', '1000'], env: ENV }]);
  await shim.signal('init', 9);
  const { code, signal } = await shim.exited;
  assert.deepEqual({ code, signal }, { code: 137, signal: 9 });
  await assert.rejects(shim.signal('init', 9), /ended/);
});

test('the program gets descriptors 0, 1 and 2 and no other, and default signals', needsRoot, async () => {
  await using bench = new Bench();
  const client = new Client();
  const shim = await bench.launch('echo ready; read line', {
    stdio: { tty: false, openStdin: true, stdinOnce: false },
    attachments: [client.attachment],
  });
  await client.reads('ready');
  assert.deepEqual(readdirSync(`/proc/${shim.pid}/fd`), ['0', '1', '2']);
  const status = readFileSync(`/proc/${shim.pid}/status`, 'utf8');
  assert.match(status, /^SigBlk:\t0+$/m);
  assert.match(status, /^SigIgn:\t0+$/m);
  assert.match(status, /^Name:\tsh$/m);
});

const failures: readonly (readonly [argv0: string, exitCode: number, text: string])[] = [
  ['nosuch', 127, 'exec: "nosuch": executable file not found in $PATH'],
  ['/nosuch', 127, 'exec: "/nosuch": stat /nosuch: no such file or directory'],
  ['/etc', 126, 'exec: "/etc": is a directory: permission denied'],
  ['/etc/passwd', 126, 'exec: "/etc/passwd": permission denied'],
  [
    '/etc/passwd/x',
    127,
    'exec: "/etc/passwd/x": stat /etc/passwd/x: not a directory: Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists and is the expected type',
  ],
];

test('a program that cannot be executed is refused in the words of dockerd', needsRoot, async t => {
  await using bench = new Bench();
  for (const [name, exitCode, text] of failures) {
    await t.test(name, async () => {
      const runDir = bench.runDir();
      const error = await bench.launch([{ op: 'exec', argv: [name], env: ENV }], { runDir }).catch((e: unknown) => e);
      assert.ok(error instanceof GantryError);
      assert.equal(
        error.message,
        `failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: ${text}`,
      );
      assert.equal(error.exitCode, exitCode);
      assert.equal(error.kind, 'invalidParameter');
      assert.deepEqual(readdirSync(runDir), []);
    });
  }
});

test('a failing step is named, with the working directory in the words of runc', needsRoot, async () => {
  await using bench = new Bench();
  await assert.rejects(
    bench.launch([{ op: 'chdir', path: '/nodir' }, ...shell('true')]),
    /error during container init: chdir to cwd \("\/nodir"\) set in config\.json failed: no such file or directory$/,
  );
  const error = await bench
    .launch('true', {
      plan: { cloneFlags: 0, child: shell('true'), parent: [], prepare: [{ op: 'rmdir', path: '/nonesuch' }] },
    })
    .catch((e: unknown) => e);
  assert.ok(error instanceof GantryError);
  assert.deepEqual(error.cause, {
    where: 'prepare',
    step: { op: 'rmdir', path: '/nonesuch' },
    errno: 2,
    detail: undefined,
  });
});

test('a file that the kernel cannot execute ends with 255 and its reason, as with runc', needsRoot, async () => {
  await using bench = new Bench();
  const path = join(bench.directory, 'garbage');
  const launcher = await bench.launcher();
  await launcher.run([
    { op: 'touch', path, mode: 0o755 },
    { op: 'writeFile', path, data: 'garbage' },
  ]);
  const log = { driver: 'json-file', path: bench.logPath, maxSizeBytes: 0, maxFiles: 1, compress: false } as const;
  const shim = await bench.launch([{ op: 'exec', argv: [path], env: [] }], { log });
  assert.equal((await shim.exited).code, 255);
  assert.equal(JSON.parse(readFileSync(bench.logPath, 'utf8')).log, `exec ${path}: exec format error\n`);
});

test('a barrier waits for the parent steps, and times out when nobody comes', needsRoot, async () => {
  await using bench = new Bench();
  const mark = join(bench.directory, 'mark');
  const shim = await bench.launch('true', {
    plan: {
      cloneFlags: 0,
      prepare: [],
      parent: [{ op: 'touch', path: mark, mode: 0o600 }],
      child: [{ op: 'barrier', id: 1, timeoutMs: 5000 }, ...shell(`test -e ${mark}`)],
    },
  });
  assert.equal((await shim.exited).code, 0);
});

test('forty containers start at once', needsRoot, async () => {
  await using bench = new Bench();
  const codes = await Promise.all(
    Array.from({ length: 40 }, async (_, index) => (await (await bench.launch(`exit ${index}`)).exited).code),
  );
  assert.deepEqual(codes, [...codes.keys()]);
});

test('a killed launcher is restarted, and containers neither notice nor lose their end', needsRoot, async () => {
  await using bench = new Bench();
  const launcher = await bench.launcher();
  const first = launcher.pid;
  const runDir = bench.runDir();
  const shim = await bench.launch('read line; exit 7', {
    runDir,
    stdio: { tty: false, openStdin: true, stdinOnce: false },
  });
  process.kill(first, 'SIGKILL');
  await bench.death.promise;
  const second = await bench.launch('exit 5');
  assert.equal((await second.exited).code, 5);
  assert.notEqual(launcher.pid, first);
  assert.deepEqual(bench.deaths, ['it was killed by SIGKILL']);
  await shim.signal('init', 9);
  assert.equal((await shim.exited).signal, 9);
});

test('a killed shim is reported as lost', needsRoot, async () => {
  await using bench = new Bench();
  const shim = await bench.launch('sleep 1000');
  process.kill(shim.shimPid, 'SIGKILL');
  await shim.lost;
  process.kill(shim.pid, 'SIGKILL');
});

test('host plans run in order, answer netlink requests, and name the step that failed', needsRoot, async () => {
  await using bench = new Bench();
  const launcher = await bench.launcher();
  const directory = join(bench.directory, 'a/b/c');
  // nlmsghdr RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP; ifinfomsg
  const message = Buffer.alloc(32);
  message.writeUInt32LE(32, 0);
  message.writeUInt16LE(18, 4);
  message.writeUInt16LE(0x301, 6);
  const answers = await launcher.run([
    { op: 'mkdirAll', path: directory, mode: 0o755 },
    { op: 'netlink', protocol: 0, message, reply: true },
  ]);
  assert.ok(existsSync(directory));
  assert.ok(answers.get(1)?.includes('lo\0'));
  await assert.rejects(
    launcher.run([
      { op: 'rmdir', path: directory },
      { op: 'rmdir', path: directory },
    ]),
    {
      message: `rmdir ${JSON.stringify(directory)}: no such file or directory`,
      kind: 'system',
    },
  );
  await launcher.run([{ op: 'rmdir', path: directory, ignore: [2] }]);
});

test('long answers of plans that run at once are not mixed up', needsRoot, async () => {
  await using bench = new Bench();
  const launcher = await bench.launcher();
  // nlmsghdr RTM_GETLINK, NLM_F_REQUEST | NLM_F_ACK; ifinfomsg of the loopback device
  const message = Buffer.alloc(32);
  message.writeUInt32LE(32, 0);
  message.writeUInt16LE(18, 4);
  message.writeUInt16LE(0x5, 6);
  message.writeInt32LE(1, 20);
  const step: Step = { op: 'netlink', protocol: 0, message, reply: true };
  const one = (await launcher.run([step])).get(0)?.length ?? 0;
  // Longer than what a unix stream socket takes at once, shorter than what goes another way.
  const steps = Array<Step>(Math.floor(47_000 / (one + 24))).fill(step);
  assert.ok(steps.length > 5);
  const running = Promise.all(Array.from({ length: 48 }, () => launcher.run(steps)));
  await nextTurn();
  // Nobody reads for a while, so that each of them waits for room in the socket.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
  for (const answer of await running) assert.equal(answer.size, steps.length);
  assert.deepEqual(bench.deaths, []);
});

test('a plan below a slot cannot leave its directory', needsRoot, async () => {
  await using bench = new Bench();
  const launcher = await bench.launcher();
  const root = join(bench.directory, 'root');
  await launcher.run([
    { op: 'mkdirAll', path: root, mode: 0o755 },
    { op: 'open', slot: 3, path: root, flags: 0o10200000 },
    { op: 'symlink', at: 3, path: 'out', target: '/../../..' },
    { op: 'mkdirAll', at: 3, path: 'out/x/../../../y', mode: 0o755 },
    { op: 'touch', at: 3, path: '/out/z/file', mode: 0o644 },
    { op: 'symlink', at: 3, path: 'file', target: '../../../../z/file' },
    { op: 'writeFile', at: 3, path: 'file', data: 'inside' },
  ]);
  assert.deepEqual(readdirSync(root).sort(), ['file', 'out', 'x', 'y', 'z'].sort());
  assert.equal(readFileSync(join(root, 'z/file'), 'utf8'), 'inside');
});

test('host plans that sleep delay neither each other nor a launch, however many there are', needsRoot, async () => {
  await using bench = new Bench();
  const launcher = await bench.launcher();
  const fifo = join(bench.directory, 'fifo');
  await launcher.run([{ op: 'mknod', mode: 0o10600, major: 0, minor: 0, path: fifo }]);
  // Opening a fifo to read waits for its writer.
  const sleeping = Array.from({ length: 40 }, () => launcher.run([{ op: 'open', slot: 0, path: fifo, flags: 0 }]));
  assert.equal((await (await bench.launch('exit 3')).exited).code, 3);
  await launcher.run([{ op: 'umask', mask: 0o22 }]);
  const writer = await open(fifo, 'r+');
  await Promise.all(sleeping);
  await writer.close();
  await Promise.all(Array.from({ length: 300 }, () => launcher.run([{ op: 'umask', mask: 0o22 }])));
});

test('nothing that the daemon was started with stays open in launcher or shim', needsRoot, async () => {
  await using bench = new Bench();
  const [kept, other] = socketPair();
  // As a careless parent would leave them: open across exec.
  keepAcrossExec(kept);
  const shim = await bench.launch('sleep 1000');
  const link = readlinkSync(`/proc/self/fd/${kept}`);
  for (const pid of [(await bench.launcher()).pid, shim.shimPid]) {
    const open = openFiles(pid);
    assert.ok(!open.includes(link), open.join(' '));
    assert.ok(open.length < 16, open.join(' '));
  }
  closeSync(kept);
  closeSync(other);
});

test('a helper runs one plan after the other, but for plans that change the process itself', needsRoot, async () => {
  await using bench = new Bench();
  const launcher = await bench.launcher();
  const path = join(bench.directory, 'made');
  await launcher.run([{ op: 'mkdir', path, mode: 0o700 }]);
  const [first] = childrenNamed(launcher.pid, 'gantry-helper');
  for (let plan = 0; plan < 10; plan++) {
    await launcher.run([{ op: 'rmdir', path }]);
    await launcher.run([{ op: 'mkdir', path, mode: 0o700 }]);
  }
  await launcher.run([{ op: 'rmdir', path }]);
  const helpers = childrenNamed(launcher.pid, 'gantry-helper');
  // A plan may come before a helper has said that it is free again after its answer: then there are two.
  assert.ok(helpers.includes(first ?? 0) && helpers.length <= 2, helpers.join(' '));
  await launcher.run([{ op: 'umask', mask: 0 }]);
  await launcher.run([{ op: 'mkdir', path, mode: 0o777 }]);
  // The one that changed itself ends, though perhaps after its answer.
  const isLeft = (): boolean => helpers.every(helper => childrenNamed(launcher.pid, 'gantry-helper').includes(helper));
  while (isLeft()) await nextTurn();
  assert.equal(statSync(path).mode & 0o777, 0o755, 'the mask of one plan is not that of the next');
});

test('a helper that worked in the network of a container comes back to that of the host', needsRoot, async () => {
  await using bench = new Bench();
  const launcher = await bench.launcher();
  const other = spawn('unshare', ['--net', 'sleep', '1000'], { stdio: 'ignore' });
  try {
    const host = readlinkSync('/proc/self/ns/net');
    while (namespaceOf(other.pid ?? 0) === host) await nextTurn();
    const enter: Step[] = [
      { op: 'open', slot: 0, path: `/proc/${other.pid}/ns/net`, flags: O_CLOEXEC },
      { op: 'setns', slot: 0, flags: CLONE_NEWNET },
    ];
    const path = '/proc/sys/net/ipv4/conf/lo/log_martians';
    const before = readFileSync(path, 'utf8');
    await launcher.run([...enter, { op: 'writeFile', path, data: before.startsWith('0') ? '1' : '0' }]);
    const [first] = childrenNamed(launcher.pid, 'gantry-helper');
    await launcher.run([{ op: 'writeFile', path, data: before }]);
    assert.ok(childrenNamed(launcher.pid, 'gantry-helper').includes(first ?? 0), 'it is there for the next plan');
    assert.equal(namespaceOf(first ?? 0), host);
    assert.equal(readFileSync(path, 'utf8'), before);
    const inside = spawnSync('nsenter', ['-t', String(other.pid), '-n', 'cat', path], { encoding: 'utf8' });
    assert.notEqual(inside.stdout, before, 'the first plan wrote inside, the second outside');
  } finally {
    other.kill('SIGKILL');
  }
});

test('a container starts when the shim that was forked in advance was killed', needsRoot, async () => {
  await using bench = new Bench();
  const launcher = await bench.launcher();
  for (let round = 0; round < 3; round++) {
    let spares = childrenNamed(launcher.pid, 'gantry-spare');
    for (; spares.length === 0; spares = childrenNamed(launcher.pid, 'gantry-spare')) await nextTurn();
    for (const pid of spares) process.kill(pid, 'SIGKILL');
    while (spares.some(pid => childrenNamed(launcher.pid, 'gantry-spare').includes(pid))) await nextTurn();
    assert.equal((await (await bench.launch('exit 3')).exited).code, 3);
  }
});

/** What a process has open; descriptors that are closed meanwhile are left out. */
function openFiles(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap(fd => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
    } catch {
      return [];
    }
  });
}

function namespaceOf(pid: number): string {
  return readlinkSync(`/proc/${pid}/ns/net`);
}

function childrenNamed(pid: number, name: string): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  return children.filter(child => {
    try {
      return readFileSync(`/proc/${child}/comm`, 'utf8').trim() === name;
    } catch {
      return false;
    }
  });
}
