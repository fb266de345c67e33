/**
 * Published escapes from containers, one test each: what the attacker does, and what he must see.
 * docs/security.md lists them with their dates.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { importTree } from '../harness/image.ts';
import { rootOnly } from '../harness/skip.ts';

const nativeBinary = new URL('../../packages/runtime/native/build/gantry-native', import.meta.url).pathname;
const hashOf = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

describe('published escapes', { skip: rootOnly }, () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await startDaemon();
  });
  after(() => daemon?.[Symbol.asyncDispose]());

  test('CVE-2019-5736: a container cannot write the runtime through /proc/self/exe', async () => {
    const before = hashOf(nativeBinary);
    await importTree(daemon, 'self-exe', { links: { 'bin/evil': '/proc/self/exe' } });
    await daemon.docker('run', '--rm', 'self-exe', '/bin/evil');
    const write = await daemon.docker(
      ...['run', '--rm', '--init', 'busybox', 'sh', '-c'],
      'cat /proc/1/exe >/dev/null && echo read; (echo x >/proc/1/exe) 2>/dev/null && echo written; :',
    );
    assert.ok(!write.stdout.includes('written'), `init's program was opened for writing: ${write.stdout}`);
    assert.equal(hashOf(nativeBinary), before);
  });

  test('CVE-2019-16884: a volume or link at /proc does not move where labels and sysctls are written', async () => {
    await importTree(daemon, 'shadow-proc', { links: { proc: 'elsewhere' }, directories: ['elsewhere/sys/kernel'] });
    const linked = await daemon.docker(
      'run',
      '--rm',
      'shadow-proc',
      'sh',
      '-c',
      'cat /proc/self/status | grep Seccomp:',
    );
    assert.ok(linked.code !== 0 || /Seccomp:\s+2/.test(linked.stdout), `${linked.stdout}${linked.stderr}`);
    const volume = await daemon.docker('run', '--rm', '-v', 'gantry-escape:/proc', 'busybox', 'true');
    assert.notEqual(volume.code, 0, 'a volume over /proc is refused');
    await daemon.docker('volume', 'rm', '-f', 'gantry-escape');
  });

  test('CVE-2024-21626: a working directory behind a leaked descriptor is refused', async () => {
    for (let fd = 3; fd < 12; fd++) {
      const { code, stdout } = await daemon.docker(
        'run',
        '--rm',
        '-w',
        `/proc/self/fd/${fd}`,
        'busybox',
        'sh',
        '-c',
        'cat ../../../etc/hostname; ls /proc/self/fd',
      );
      assert.notEqual(code, 0, `a working directory in /proc/self/fd/${fd} was reached: ${stdout}`);
    }
    const descriptors = await daemon.docker('run', '--rm', 'busybox', 'sh', '-c', 'ls /proc/$$/fd');
    assert.deepEqual(
      descriptors.stdout
        .trim()
        .split(/\s+/)
        .filter(fd => Number(fd) < 10)
        .slice(0, 3),
      ['0', '1', '2'],
    );
    const own = await daemon.docker('run', '--rm', 'busybox', 'ls', '/proc/self/fd');
    assert.deepEqual(own.stdout.trim().split(/\s+/), ['0', '1', '2', '3'], 'the fourth is the listing itself');
  });

  test('CVE-2024-21626: exec gets descriptors 0, 1, 2 and no other, and no directory of the host', async () => {
    await daemon.docker('run', '-d', '--name', 'leak', 'busybox', 'sleep', '1000');
    const own = await daemon.docker('exec', 'leak', 'ls', '/proc/self/fd');
    assert.deepEqual(own.stdout.trim().split(/\s+/), ['0', '1', '2', '3']);
    for (let fd = 3; fd < 12; fd++) {
      const { code } = await daemon.docker('exec', '-w', `/proc/self/fd/${fd}`, 'leak', 'true');
      assert.notEqual(code, 0, `exec reached /proc/self/fd/${fd}`);
    }
    await daemon.docker('rm', '-f', 'leak');
  });

  test('CVE-2025-31133: an image that brings its own /dev/null does not unmask /proc', async () => {
    await importTree(daemon, 'own-null', { links: { 'dev/null': '/proc/sys/kernel/core_pattern' } });
    const { stdout } = await daemon.docker(
      ...['run', '--rm', 'own-null', 'sh', '-c'],
      'ls -l /dev/null; wc -c </proc/kcore || echo 0; grep " /proc/kcore " /proc/self/mountinfo | wc -l; echo x >/proc/sys/kernel/core_pattern; echo status $?',
    );
    assert.match(stdout, /^c.* 1, +3 .*\/dev\/null/m, 'a real null device');
    assert.match(stdout, /^0$/m, '/proc/kcore reads as nothing, or not at all by AppArmor');
    assert.match(stdout, /status [^0]/, 'core_pattern stays read-only');
  });

  test('CVE-2025-52565: an image that brings its own /dev/console or /dev/pts does not place the terminal', async () => {
    await importTree(daemon, 'own-console', {
      links: { 'dev/console': '/proc/sys/kernel/core_pattern', 'dev/pts': '/etc', 'dev/ptmx': '/proc/sysrq-trigger' },
    });
    const { stdout } = await daemon.inTerminal(
      'run',
      '--rm',
      '-t',
      'own-console',
      'sh',
      '-c',
      'ls -l /dev/console; tty; (echo x >/proc/sysrq-trigger); echo status $?',
    );
    assert.match(stdout, /^c.*\/dev\/console/m);
    assert.match(stdout, /\/dev\/pts\/0/);
    assert.match(stdout, /status [^0]/);
  });

  test('CVE-2025-52881: a sysctl is written to the real /proc/sys and to no other file', async () => {
    const corePattern = readFileSync('/proc/sys/kernel/core_pattern', 'utf8');
    await importTree(daemon, 'own-sys', { links: { 'proc/sys': '/tmp' }, directories: ['tmp/net/ipv4'] });
    const { stdout, code } = await daemon.docker(
      ...['run', '--rm', '--sysctl', 'net.ipv4.ip_unprivileged_port_start=77', 'own-sys'],
      ...['cat', '/proc/sys/net/ipv4/ip_unprivileged_port_start'],
    );
    assert.equal(code, 0);
    assert.equal(stdout.trim(), '77');
    assert.equal(readFileSync('/proc/sys/kernel/core_pattern', 'utf8'), corePattern);
  });

  test('CVE-2022-0492: a container without SYS_ADMIN cannot mount a cgroup file system for its release agent', async () => {
    const { code } = await daemon.docker(
      'run',
      '--rm',
      'busybox',
      'sh',
      '-c',
      'mkdir /tmp/c && mount -t cgroup -o rdma cgroup /tmp/c',
    );
    assert.notEqual(code, 0);
    const unshared = await daemon.docker('run', '--rm', 'busybox', 'unshare', '-UrmC', 'true');
    assert.notEqual(unshared.code, 0, 'the default seccomp profile refuses new user namespaces');
  });

  test('CVE-2021-30465: a mount target that is a link stays inside the root', async () => {
    await importTree(daemon, 'link-target', {
      links: { mnt: '/../../../../../../tmp', 'data/out': '/../../../../../../../etc' },
    });
    const { code, stdout } = await daemon.docker(
      'run',
      '--rm',
      '--tmpfs',
      '/mnt/gantry-escape',
      '--tmpfs',
      '/data/out/gantry-escape',
      'link-target',
      'cat',
      '/proc/self/mountinfo',
    );
    assert.ok(!existsSync('/tmp/gantry-escape') && !existsSync('/etc/gantry-escape'), 'nothing was made on the host');
    if (code === 0) assert.match(stdout, / \/tmp\/gantry-escape /);
  });

  test('CVE-2016-9962: a process of the container cannot trace a newcomer before it dropped what it had', async () => {
    // What each process has open, and whether its root or its directory is the host's. Its program may be seen: a sealed memfd.
    const host = join(daemon.root, 'of-the-host');
    writeFileSync(host, '');
    const open = 'ls -l $p/fd 2>/dev/null | grep -E "memfd|/var/lib|/run/gantry|gantry-test"';
    const outside = `for at in root cwd; do [ -e $p/$at${host} ] && echo "$at of the host"; done`;
    const script = `while :; do for p in /proc/[0-9]*; do ${outside}; ${open}; done; done`;
    await daemon.docker('run', '-d', '--name', 'tracer', '--cap-add', 'SYS_PTRACE', 'busybox', 'sh', '-c', script);
    const newcomers = {
      exec: ['exec', 'tracer', 'true'],
      'another container': ['run', '--rm', '--network', 'none', '--pid', 'container:tracer', 'busybox', 'true'],
    };
    for (const [newcomer, command] of Object.entries(newcomers)) {
      for (let round = 0; round < 30; round++) assert.equal((await daemon.docker(...command)).code, 0);
      assert.deepEqual(await daemon.docker('logs', 'tracer'), { code: 0, stdout: '', stderr: '' }, newcomer);
    }
    await daemon.docker('rm', '-f', 'tracer');
  });

  test('a container has its own namespaces and none of the host', async () => {
    const kinds = ['ipc', 'mnt', 'net', 'pid', 'uts'];
    const { stdout } = await daemon.docker(
      'run',
      '--rm',
      'busybox',
      'sh',
      '-c',
      kinds.map(kind => `readlink /proc/self/ns/${kind}`).join(';'),
    );
    const seen = stdout.trim().split('\n');
    assert.equal(seen.length, kinds.length);
    for (const [index, kind] of kinds.entries())
      assert.notEqual(seen[index], readlinkSync(`/proc/self/ns/${kind}`), kind);
  });
});
