import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { rootOnly } from '../harness/skip.ts';

const root = '/sys/fs/cgroup';
const skip = rootOnly || (!existsSync(join(root, 'cgroup.controllers')) && 'this machine lacks cgroup version 2');

describe('control groups of version 2', { skip }, () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await startDaemon();
  });
  after(() => daemon?.[Symbol.asyncDispose]());
  afterEach(() => daemon.docker('rm', '-f', 'box'));

  const start = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await daemon.docker('run', '-d', '--name', 'box', ...args);
    assert.equal(code, 0, stderr);
    return join(root, 'gantry', stdout.trim());
  };
  const read = (directory: string, file: string): string => readFileSync(join(directory, file), 'utf8').trim();

  test('info tells the version, and a container sees its own group as the root', async () => {
    assert.equal(
      (await daemon.docker('info', '-f', '{{.CgroupVersion}} {{.CgroupDriver}} {{.SecurityOptions}}')).stdout.replace(
        'name=apparmor ',
        '',
      ),
      '2 cgroupfs [name=seccomp,profile=builtin name=cgroupns]\n',
    );
    const own = ['busybox', 'cat', '/proc/self/cgroup'];
    assert.equal((await daemon.docker('run', '--rm', ...own)).stdout, '0::/\n');
    assert.match(
      (await daemon.docker('run', '--rm', '--cgroupns', 'host', ...own)).stdout,
      /^0::\/gantry\/[0-9a-f]{64}$/m,
    );
  });

  test('limits are the files of the controllers, and update changes them', async () => {
    const directory = await start(
      ...['-m', '64m', '--memory-swap', '96m', '--memory-reservation', '32m', '--cpus', '0.5', '--cpu-shares', '2048'],
      ...['--cpuset-cpus', '0', '--pids-limit', '50', 'busybox', 'sleep', '1000'],
    );
    const expected = {
      'memory.max': '67108864',
      'memory.swap.max': '33554432',
      'memory.low': '33554432',
      'cpu.max': '50000 100000',
      'cpuset.cpus': '0',
      'pids.max': '50',
    };
    for (const [file, text] of Object.entries(expected)) assert.equal(read(directory, file), text, file);
    assert.ok(Number(read(directory, 'cpu.weight')) > 39, 'twice the shares, about twice the weight of 39');
    assert.equal((await daemon.docker('update', '-m', '32m', '--pids-limit', '60', 'box')).code, 0);
    assert.equal(read(directory, 'memory.max'), String(32 << 20));
    assert.equal(read(directory, 'pids.max'), '60');
    await daemon.docker('rm', '-f', 'box');
    assert.ok(!existsSync(directory), 'the group is gone');
  });

  test('pause freezes the group', async () => {
    const directory = await start('busybox', 'sleep', '1000');
    await daemon.docker('pause', 'box');
    assert.match(read(directory, 'cgroup.events'), /^frozen 1$/m);
    await daemon.docker('unpause', 'box');
    assert.match(read(directory, 'cgroup.events'), /^frozen 0$/m);
    await daemon.docker('pause', 'box');
    assert.equal((await daemon.docker('rm', '-f', 'box')).code, 0, 'what is frozen can be removed');
  });

  test('what runs out of memory is told, when it is not the first process too', async () => {
    const hungry = 'sh -c "tail /dev/zero"; echo $?; exit 3';
    const limited = ['-m', '16m', '--memory-swap', '16m', 'busybox', 'sh', '-c', hungry];
    const { code, stdout } = await daemon.docker('run', '--name', 'box', ...limited);
    assert.deepEqual([code, stdout], [3, '137\n']);
    assert.equal((await daemon.docker('inspect', '-f', '{{.State.OOMKilled}}', 'box')).stdout, 'true\n');
  });

  test('devices are those of the list, and those that are asked for', async () => {
    const reach = [
      'busybox',
      'sh',
      '-c',
      'mknod /tmp/loop b 7 0; cat /tmp/loop | head -c 0; mknod /tmp/null c 1 3; echo x >/tmp/null && echo ok',
    ];
    const refused = await daemon.docker('run', '--rm', ...reach);
    assert.match(refused.stderr, /can't open '\/tmp\/loop': Operation not permitted/);
    assert.equal(refused.stdout, 'ok\n');
    const allowed = await daemon.docker('run', '--rm', '--device-cgroup-rule', 'b 7:* rwm', ...reach);
    assert.doesNotMatch(allowed.stderr, /not permitted/);
    const noMake = await daemon.docker('run', '--rm', '--privileged', 'busybox', 'mknod', '/tmp/loop', 'b', '7', '0');
    assert.equal(noMake.code, 0);
  });

  test('an exec joins a container that arranged groups of its own', async () => {
    await start(
      ...['--privileged', 'busybox', 'sh', '-c'],
      'cd /sys/fs/cgroup && mkdir inner && echo 0 >inner/cgroup.procs && echo +memory >cgroup.subtree_control && echo ready && exec sleep 1000',
    );
    while ((await daemon.docker('logs', 'box')).stdout !== 'ready\n')
      assert.equal((await daemon.docker('inspect', '-f', '{{.State.Running}}', 'box')).stdout, 'true\n');
    const exec = await daemon.docker('exec', 'box', 'cat', '/proc/self/cgroup');
    assert.deepEqual([exec.code, exec.stdout], [0, '0::/inner\n'], exec.stderr);
  });
});
