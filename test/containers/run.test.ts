import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { importTree } from '../harness/image.ts';
import { rootOnly } from '../harness/skip.ts';

describe('docker run', { skip: rootOnly }, () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await startDaemon();
  });
  after(() => daemon?.[Symbol.asyncDispose]());

  /** Runs busybox and returns what it printed; fails when the status is not 0. */
  async function run(options: readonly string[], ...command: string[]): Promise<string> {
    const { code, stdout, stderr } = await daemon.docker('run', '--rm', ...options, 'busybox', ...command);
    assert.equal(code, 0, `run ${options.join(' ')} busybox ${command.join(' ')}: ${stderr}`);
    return stdout.trimEnd();
  }

  test('hello-world greets and ends with status 0', async () => {
    const { code, stdout } = await daemon.docker('run', '--rm', 'hello-world');
    assert.equal(code, 0);
    assert.match(stdout, /Gantry/);
  });

  test('the exit status of the program is that of the client', async () => {
    assert.equal((await daemon.docker('run', '--rm', 'busybox', 'sh', '-c', 'exit 42')).code, 42);
    assert.equal((await daemon.docker('run', '--rm', '--init', 'busybox', 'sh', '-c', 'kill -9 $$')).code, 137);
  });

  test('a missing executable is 127, one that may not run is 126, a bad flag 125', async () => {
    const missing = await daemon.docker('run', '--rm', 'busybox', 'nosuchprogram');
    assert.equal(missing.code, 127);
    assert.match(missing.stderr, /exec: "nosuchprogram": executable file not found in \$PATH/);
    const directory = await daemon.docker('run', '--rm', 'busybox', '/etc');
    assert.equal(directory.code, 126);
    assert.match(directory.stderr, /permission denied/);
    assert.equal((await daemon.docker('run', '--rm', '--memory', '1k', 'busybox', 'true')).code, 125);
    assert.equal((await daemon.docker('ps', '-aq')).stdout, '', 'nothing of them is left');
  });

  test('what cannot be had is refused in the words of dockerd, and no image is looked for because of it', async () => {
    const refused: readonly (readonly [option: string, text: string])[] = [
      ['--ipc=container:nope', 'Error response from daemon: No such container: nope\n'],
      ['--pid=container:nope', 'Error response from daemon: No such container: nope\n'],
      ['--workdir=/etc/hostname', 'Cannot mkdir: /etc/hostname is not a directory\n'],
      ['--sysctl=net.nosuch=1', 'open sysctl net.nosuch file: unsafe procfs detected: '],
      ['--sysctl=kernel.msgmax=foo', 'failed to write sysctl kernel.msgmax = "foo": write '],
      ['--platform=foo', '"foo": unknown operating system or architecture: invalid argument\n'],
    ];
    for (const [option, text] of refused) {
      const { code, stderr } = await daemon.docker('run', '--rm', option, 'busybox', 'true');
      assert.ok(code >= 125, option);
      assert.ok(stderr.includes(text), `${option}: ${stderr}`);
      assert.ok(!stderr.includes('Unable to find image'), option);
    }
    await daemon.docker('create', '--name', 'lonely', '--network', 'nope', 'busybox', 'true');
    const lonely = await daemon.api('POST', '/containers/lonely/start');
    assert.equal(lonely.status, 404);
    assert.match(lonely.body, /failed to set up container networking: network nope not found/);
    await daemon.docker('rm', 'lonely');
    const other = await daemon.api('POST', '/containers/create?platform=linux/s390x', {
      Image: 'busybox',
      Cmd: ['true'],
    });
    assert.equal(other.status, 404);
    assert.match(
      other.body,
      /found but its platform \(linux\/\w+\) does not match the specified platform \(linux\/s390x\)/,
    );
  });

  test('programs find the marks of a container, and its changes do not name them', async () => {
    const look = 'stat -c "%n %A" /.dockerenv; readlink /etc/mtab';
    const { stdout } = await daemon.docker('run', '--name', 'marked', '--read-only', 'busybox', 'sh', '-c', look);
    assert.equal(stdout, '/.dockerenv -rwxr-xr-x\n/proc/mounts\n');
    assert.equal((await daemon.docker('diff', 'marked')).stdout, '');
    assert.equal((await daemon.docker('rm', 'marked')).code, 0);
  });

  test('stdout and stderr arrive apart', async () => {
    const { stdout, stderr } = await daemon.docker('run', '--rm', 'busybox', 'sh', '-c', 'echo out; echo err >&2');
    assert.equal(stdout, 'out\n');
    assert.equal(stderr, 'err\n');
  });

  test('standard input reaches the program and its end too', async () => {
    const { code, stdout } = await daemon.dockerWithInput('one\ntwo\n', 'run', '--rm', '-i', 'busybox', 'cat');
    assert.equal(code, 0);
    assert.equal(stdout, 'one\ntwo\n');
    const megabytes = Buffer.alloc(8 << 20, 'x');
    const counted = await daemon.dockerWithInput(megabytes, 'run', '--rm', '-i', 'busybox', 'wc', '-c');
    assert.equal(counted.stdout.trim(), String(megabytes.length));
  });

  test('-t gives a terminal of its own', async () => {
    const { stdout, code } = await daemon.inTerminal(
      'run',
      '--rm',
      '-it',
      'busybox',
      'sh',
      '-c',
      'tty; echo $TERM; [ -t 0 ] && echo terminal',
    );
    assert.equal(code, 0);
    assert.match(stdout, /\/dev\/pts\/0\r\nxterm\r\nterminal\r\n/);
  });

  test('environment: -e, --env-file, HOME, HOSTNAME and PATH', async () => {
    writeFileSync(join(daemon.root, 'env'), '# comment\nFROM_FILE=yes\n');
    const text = await run(['-e', 'A=1', '--env-file', join(daemon.root, 'env'), '-h', 'box'], 'env');
    const lines = text.split('\n');
    for (const line of ['A=1', 'FROM_FILE=yes', 'HOME=/root', 'HOSTNAME=box'])
      assert.ok(lines.includes(line), `${line} in ${text}`);
    assert.ok(lines.includes('PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'));
  });

  test('-w makes the directory, -u changes user and groups, --group-add adds one', async () => {
    assert.equal(await run(['-w', '/some/where'], 'pwd'), '/some/where');
    assert.equal(
      await run(['-u', 'nobody'], 'id'),
      'uid=65534(nobody) gid=65534(nogroup) groups=29(audio),65534(nogroup)',
    );
    assert.equal(
      await run(['-u', '1000:2000', '--group-add', 'audio'], 'id'),
      'uid=1000 gid=2000 groups=29(audio),2000',
    );
    const unknown = await daemon.docker('run', '--rm', '-u', 'nosuchuser', 'busybox', 'true');
    assert.notEqual(unknown.code, 0);
    assert.match(unknown.stderr, /unable to find user nosuchuser: no matching entries in passwd file/);
  });

  test('--entrypoint replaces the program, the rest are its arguments', async () => {
    assert.equal(await run(['--entrypoint', 'echo'], 'a', 'b'), 'a b');
  });

  test('the configuration of an image is what runs', async () => {
    await importTree(daemon, 'configured', {
      files: { 'srv/hello': '#!/bin/sh\necho "$GREETING from $(pwd) as $(id -u) with $*"\n' },
      changes: ['ENTRYPOINT ["/srv/hello"]', 'CMD ["default"]', 'ENV GREETING=hi', 'WORKDIR /srv', 'USER 65534'],
    });
    assert.equal((await daemon.docker('run', '--rm', 'configured')).stdout, 'hi from /srv as 65534 with default\n');
    assert.equal(
      (await daemon.docker('run', '--rm', 'configured', 'mine')).stdout,
      'hi from /srv as 65534 with mine\n',
    );
  });

  test('-v binds a host directory, read-only when said so', async () => {
    mkdirSync(join(daemon.root, 'bound'));
    writeFileSync(join(daemon.root, 'bound/file'), 'content\n');
    assert.equal(
      await run(['-v', `${daemon.root}/bound:/data`], 'sh', '-c', 'cat /data/file; echo new >/data/new'),
      'content',
    );
    assert.equal(readFileSync(join(daemon.root, 'bound/new'), 'utf8'), 'new\n');
    const readOnly = await daemon.docker(
      'run',
      '--rm',
      '-v',
      `${daemon.root}/bound:/data:ro`,
      'busybox',
      'touch',
      '/data/x',
    );
    assert.match(readOnly.stderr, /Read-only file system/);
  });

  test('a named volume keeps data, and starts with what the image has there', async () => {
    await importTree(daemon, 'with-data', { files: { 'data/seed': 'seed\n' } });
    const first = await daemon.docker(
      'run',
      '--rm',
      '-v',
      'kept:/data',
      'with-data',
      'sh',
      '-c',
      'cat /data/seed; echo more >/data/more',
    );
    assert.equal(first.stdout, 'seed\n');
    assert.equal(await run(['-v', 'kept:/mnt'], 'cat', '/mnt/more'), 'more');
    const used = await daemon.docker('run', '-d', '--name', 'user', '-v', 'kept:/mnt', 'busybox', 'sleep', '1000');
    assert.equal(used.code, 0);
    assert.match((await daemon.docker('volume', 'rm', 'kept')).stderr, /volume is in use/);
    await daemon.docker('rm', '-f', 'user');
    assert.equal((await daemon.docker('volume', 'rm', 'kept')).code, 0);
  });

  test('--mount and --tmpfs', async () => {
    assert.match(
      await run(['--tmpfs', '/t:size=1m,mode=700'], 'grep', ' /t ', '/proc/mounts'),
      /^tmpfs \/t tmpfs rw,nosuid,nodev,noexec,.*size=1024k,mode=700/,
    );
    assert.match(
      await run(['--mount', 'type=tmpfs,dst=/t,tmpfs-size=2m'], 'grep', ' /t ', '/proc/mounts'),
      /size=2048k/,
    );
    const missing = await daemon.docker(
      'run',
      '--rm',
      '--mount',
      'type=bind,src=/nosuch/dir,dst=/d',
      'busybox',
      'true',
    );
    assert.match(
      missing.stderr,
      /invalid mount config for type "bind": bind source path does not exist: \/nosuch\/dir/,
    );
  });

  test('--read-only, --hostname, --add-host, --dns, --shm-size', async () => {
    assert.match(
      (await daemon.docker('run', '--rm', '--read-only', 'busybox', 'touch', '/x')).stderr,
      /Read-only file system/,
    );
    assert.equal(await run(['-h', 'name.example.org'], 'hostname'), 'name.example.org');
    assert.match(await run(['--add-host', 'other:10.9.8.7'], 'cat', '/etc/hosts'), /^10\.9\.8\.7\tother$/m);
    assert.match(
      await run(['--dns', '9.9.9.9', '--dns-search', 'example.org'], 'cat', '/etc/resolv.conf'),
      /nameserver 9\.9\.9\.9\nsearch example\.org/,
    );
    assert.match(await run(['--shm-size', '8m'], 'grep', ' /dev/shm ', '/proc/mounts'), /size=8192k/);
  });

  test('--memory, --cpus and --pids-limit reach the kernel', async () => {
    const limits = await run(
      ['-m', '64m', '--cpus', '0.5', '--pids-limit', '50'],
      ...[
        'sh',
        '-c',
        'cd /sys/fs/cgroup; cat memory.max memory/memory.limit_in_bytes cpu.max cpu/cpu.cfs_quota_us pids.max pids/pids.max 2>/dev/null; true',
      ],
    );
    assert.match(limits, /^67108864$/m);
    assert.match(limits, /^50000( 100000)?$/m);
    assert.match(limits, /^50$/m);
    const killed = await daemon.docker('run', '--name', 'hungry', '-m', '16m', 'busybox', 'sh', '-c', 'tail /dev/zero');
    assert.equal(killed.code, 137);
    assert.equal((await daemon.docker('inspect', '-f', '{{.State.OOMKilled}}', 'hungry')).stdout, 'true\n');
    await daemon.docker('rm', 'hungry');
  });

  test('capabilities: the default 14, dropped, added, and all of them', async () => {
    const effective = async (...options: string[]): Promise<string> =>
      (await run(options, 'grep', 'CapEff', '/proc/self/status')).split(/\s+/)[1] ?? '';
    assert.equal(await effective(), '00000000a80425fb');
    assert.equal(await effective('--cap-drop', 'ALL'), '0000000000000000');
    assert.equal(await effective('--cap-drop', 'ALL', '--cap-add', 'NET_ADMIN'), '0000000000001000');
    assert.match(await run(['-u', '1000'], 'grep', 'CapEff', '/proc/self/status'), /0000000000000000/);
    assert.notEqual(await effective('--privileged'), '00000000a80425fb');
  });

  test('seccomp and no_new_privs', async () => {
    assert.match(await run([], 'grep', 'Seccomp:', '/proc/self/status'), /2$/);
    assert.match(await run(['--security-opt', 'seccomp=unconfined'], 'grep', 'Seccomp:', '/proc/self/status'), /0$/);
    assert.match(await run(['--security-opt', 'no-new-privileges'], 'grep', 'NoNewPrivs', '/proc/self/status'), /1$/);
    writeFileSync(
      join(daemon.root, 'profile.json'),
      JSON.stringify({
        defaultAction: 'SCMP_ACT_ALLOW',
        syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO' }],
      }),
    );
    const refused = await daemon.docker(
      'run',
      '--rm',
      '--security-opt',
      `seccomp=${daemon.root}/profile.json`,
      'busybox',
      'mkdir',
      '/x',
    );
    assert.match(refused.stderr, /Operation not permitted/);
  });

  test('an AppArmor profile that cannot be applied is refused, unconfined is not', async () => {
    assert.equal(await run(['--security-opt', 'apparmor=unconfined'], 'echo', 'runs'), 'runs');
    const named = await daemon.docker('run', '--rm', '--security-opt', 'apparmor=gantry-nosuch', 'busybox', 'true');
    assert.notEqual(named.code, 0);
    assert.match(named.stderr, /gantry-nosuch/);
  });

  test('masked and read-only paths, and /sys', async () => {
    assert.equal(
      await run([], 'sh', '-c', 'wc -c </proc/keys; ls /proc/scsi /sys/firmware 2>/dev/null | grep -v :; true'),
      '0',
    );
    const write = await daemon.docker('run', '--rm', 'busybox', 'sh', '-c', 'echo 1 >/proc/sys/vm/drop_caches');
    assert.match(write.stderr, /Read-only file system/);
    assert.match(await run([], 'grep', ' /sys ', '/proc/mounts'), /sysfs ro,nosuid,nodev,noexec/);
  });

  test('--ulimit, --sysctl, --oom-score-adj and --device', async () => {
    assert.equal(await run(['--ulimit', 'nofile=100:200'], 'sh', '-c', 'ulimit -n; ulimit -Hn'), '100\n200');
    assert.equal(await run(['--sysctl', 'net.ipv4.ip_forward=1'], 'cat', '/proc/sys/net/ipv4/ip_forward'), '1');
    assert.equal(await run(['--oom-score-adj', '500'], 'cat', '/proc/self/oom_score_adj'), '500');
    assert.match(await run(['--device', '/dev/zero:/dev/nil'], 'ls', '-l', '/dev/nil'), /^c.* 1, +5 /);
  });

  test('--init reaps and forwards signals', async () => {
    assert.equal(await run(['--init'], 'sh', '-c', 'cat /proc/1/comm'), 'docker-init');
    assert.equal((await daemon.docker('run', '--rm', '--init', 'busybox', 'sh', '-c', 'exit 7')).code, 7);
  });

  test('--network host and none, and container: shares one', async () => {
    assert.equal(await run(['--network', 'none'], 'ls', '/sys/class/net'), 'lo');
    assert.match(await run(['--network', 'host'], 'ls', '/sys/class/net'), new RegExp(daemon.bridge));
    await daemon.docker('run', '-d', '--name', 'owner', 'busybox', 'sleep', '1000');
    const owner = (await daemon.docker('exec', 'owner', 'readlink', '/proc/self/ns/net')).stdout.trim();
    assert.equal(await run(['--network', 'container:owner'], 'readlink', '/proc/self/ns/net'), owner);
    await daemon.docker('rm', '-f', 'owner');
  });

  test('--cidfile holds the id, and a second use of it is refused', async () => {
    const file = join(daemon.root, 'cid');
    const { stdout } = await daemon.docker('run', '-d', '--rm', '--cidfile', file, 'busybox', 'true');
    assert.equal(readFileSync(file, 'utf8'), stdout.trim());
    assert.equal((await daemon.docker('run', '--rm', '--cidfile', file, 'busybox', 'true')).code, 125);
  });

  test('a taken name is a conflict, an image that is not there is looked for', async () => {
    await daemon.docker('create', '--name', 'taken', 'busybox', 'true');
    const again = await daemon.docker('create', '--name', 'taken', 'busybox', 'true');
    assert.match(
      again.stderr,
      /Conflict\. The container name "\/taken" is already in use by container "[0-9a-f]{64}"\. You have to remove \(or rename\) that container to be able to reuse that name\./,
    );
    await daemon.docker('rm', 'taken');
    const unknown = await daemon.docker('run', '--rm', 'localhost:1/no/such:image', 'true');
    assert.equal(unknown.code, 125);
    assert.match(unknown.stderr, /Unable to find image 'localhost:1\/no\/such:image' locally/);
    assert.match(unknown.stderr, /connection refused/);
  });

  test('many at once all succeed and leave nothing', async () => {
    const ended = await Promise.all(
      Array.from({ length: 24 }, (_, index) => daemon.docker('run', '--rm', 'busybox', 'echo', String(index))),
    );
    assert.deepEqual(
      ended.map(({ stdout }) => stdout.trim()),
      ended.map((_, index) => String(index)),
    );
    assert.equal((await daemon.docker('ps', '-aq')).stdout, '');
  });
});
