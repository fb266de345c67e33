import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { rootOnly } from '../harness/skip.ts';

const enabled = (): boolean => {
  const path = '/sys/module/apparmor/parameters/enabled';
  return existsSync(path) && readFileSync(path, 'utf8').startsWith('Y') && existsSync('/sbin/apparmor_parser');
};
const parser = (option: string, policy: string): void => {
  execFileSync('/sbin/apparmor_parser', [option], { input: policy });
};
const label = ['cat', '/proc/self/attr/current'];

describe('AppArmor', { skip: rootOnly || (!enabled() && 'the kernel lacks AppArmor') }, () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await startDaemon();
  });
  after(() => daemon?.[Symbol.asyncDispose]());

  const run = (...args: string[]): ReturnType<TestDaemon['docker']> => daemon.docker('run', '--rm', ...args);

  test('a container and its execs are confined by docker-default, as info and inspect say', async () => {
    assert.match((await daemon.docker('info', '-f', '{{json .SecurityOptions}}')).stdout, /^\["name=apparmor",/);
    await daemon.docker('run', '-d', '--name', 'box', 'busybox', 'sleep', '1000');
    assert.equal((await daemon.docker('inspect', '-f', '{{.AppArmorProfile}}', 'box')).stdout, 'docker-default\n');
    assert.equal((await daemon.docker('exec', 'box', ...label)).stdout, 'docker-default (enforce)\n');
    assert.equal(
      (await daemon.docker('exec', '--privileged', 'box', ...label)).stdout,
      'docker-default (enforce)\n',
      'the container chooses, as in dockerd',
    );
    await daemon.docker('stop', '-t', '0', 'box');
    await daemon.docker('rm', 'box');
    assert.equal((await run('--init', 'busybox', ...label)).stdout, 'docker-default (enforce)\n');
  });

  test('apparmor=unconfined and --privileged are not confined', async () => {
    assert.equal((await run('--security-opt', 'apparmor=unconfined', 'busybox', ...label)).stdout, 'unconfined\n');
    assert.equal((await run('--privileged', 'busybox', ...label)).stdout, 'unconfined\n');
  });

  test('a mount is refused even to SYS_ADMIN', async () => {
    const mount = ['--cap-add', 'SYS_ADMIN', '--security-opt', 'seccomp=unconfined'];
    const attempt = ['busybox', 'mount', '-t', 'tmpfs', 'none', '/tmp'];
    assert.notEqual((await run(...mount, ...attempt)).code, 0);
    assert.equal((await run(...mount, '--security-opt', 'apparmor=unconfined', ...attempt)).code, 0);
  });

  test('processes of a container signal and trace each other', async () => {
    const { stdout } = await run(
      'busybox',
      'sh',
      '-c',
      'sleep 100 & readlink /proc/$!/cwd && kill -9 $! && echo killed',
    );
    assert.equal(stdout, '/\nkilled\n');
  });

  test('another profile confines by its name', async () => {
    const policy = 'profile gantry-test flags=(attach_disconnected) {\n  file,\n  deny /etc/passwd r,\n}\n';
    parser('-Kr', policy);
    try {
      const { stdout, stderr } = await run(
        ...['--security-opt', 'apparmor=gantry-test', 'busybox', 'sh', '-c'],
        'cat /proc/self/attr/current /etc/passwd',
      );
      assert.equal(stdout, 'gantry-test (enforce)\n');
      assert.match(stderr, /Permission denied/);
    } finally {
      parser('-R', policy);
    }
  });

  test('a profile that is not loaded is an error with its cause', async () => {
    const { code, stderr } = await run('--security-opt', 'apparmor=gantry-nosuch', 'busybox', 'true');
    assert.notEqual(code, 0);
    assert.match(
      stderr,
      /unable to apply apparmor profile: apparmor failed to apply profile: .*no such file or directory/,
    );
  });

  // Containers of another engine would lose their confinement.
  const shared = !process.env.GANTRY_TEST_VM && 'this machine is shared: it lacks GANTRY_TEST_VM';
  test('a default profile that someone unloaded is loaded again', { skip: shared }, async () => {
    parser('-R', 'profile docker-default flags=(attach_disconnected,mediate_deleted) {\n}\n');
    assert.equal((await run('busybox', ...label)).stdout, 'docker-default (enforce)\n');
  });
});
