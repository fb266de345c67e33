import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { file } from '../../packages/linux/src/index.ts';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { importTree } from '../harness/image.ts';
import { until } from '../harness/raw.ts';
import { rootOnly } from '../harness/skip.ts';

describe('volumes', { skip: rootOnly }, () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await startDaemon();
  });
  after(() => daemon?.[Symbol.asyncDispose]());

  const succeed = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await daemon.docker(...args);
    assert.equal(code, 0, `docker ${args.join(' ')}: ${stderr}`);
    return stdout.trim();
  };
  const fail = async (...args: string[]): Promise<string> => {
    const { code, stderr } = await daemon.docker(...args);
    assert.notEqual(code, 0, `docker ${args.join(' ')} should fail`);
    return stderr.trim();
  };
  const ours = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await daemon.gantry(...args);
    assert.equal(code, 0, `gantry ${args.join(' ')}: ${stderr}`);
    return stdout.trim();
  };
  const data = (name: string): string => join(daemon.dataRoot, 'volumes', name, '_data');
  const mounted = (name: string): number =>
    readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .filter(line => line.split(' ')[1] === data(name)).length;
  const unmounted = (name: string): Promise<void> =>
    until(() => (mounted(name) === 0 ? undefined : `${name} is mounted still`));
  const run = (name: string, ...command: string[]): Promise<string> =>
    succeed('run', '--rm', '--network', 'none', '-v', `${name}:/v`, 'busybox', ...command);
  const sleeper = (container: string, ...flags: string[]): Promise<string> =>
    succeed('run', '-d', '--network', 'none', '--name', container, ...flags, 'busybox', 'sleep', '1000');

  test('a volume with a device is mounted for its first user until the last one is gone', async () => {
    await succeed('volume', 'create', '-o', 'type=tmpfs', '-o', 'device=tmpfs', '-o', 'o=size=1m,mode=0711', 'shared');
    assert.equal(mounted('shared'), 0);
    await sleeper('first', '-v', 'shared:/v');
    await sleeper('second', '-v', 'shared:/v:ro');
    assert.equal(mounted('shared'), 1);
    await succeed('exec', 'first', 'sh', '-c', 'echo said >/v/word');
    assert.equal(await succeed('exec', 'second', 'cat', '/v/word'), 'said');
    assert.match(await succeed('exec', 'first', 'grep', ' /v ', '/proc/mounts'), /^tmpfs \/v tmpfs rw,.*size=1024k/);
    await succeed('rm', '-f', 'first');
    assert.equal(await succeed('exec', 'second', 'cat', '/v/word'), 'said');
    assert.equal(mounted('shared'), 1);
    await succeed('stop', '-t', '0', 'second');
    await unmounted('shared');
    await succeed('start', 'second');
    assert.equal(await succeed('exec', 'second', 'ls', '/v'), '', 'a tmpfs is a new one at each first use');
    await succeed('rm', '-f', 'second');
    await unmounted('shared');
    await succeed('volume', 'rm', 'shared');
  });

  test('what is mounted is taken over by the next daemon, and given back when its users ended meanwhile', async () => {
    for (const name of ['kept', 'lost']) {
      await succeed('volume', 'create', '-o', 'type=tmpfs', '-o', 'device=tmpfs', name);
      await sleeper(`of-${name}`, '-v', `${name}:/v`);
      await succeed('exec', `of-${name}`, 'touch', `/v/${name}`);
    }
    const pid = Number(await succeed('inspect', '-f', '{{.State.Pid}}', 'of-lost'));
    await daemon.end('SIGKILL');
    process.kill(pid, 'SIGKILL');
    await daemon.start();
    await unmounted('lost');
    assert.equal(mounted('kept'), 1);
    await sleeper('joins', '-v', 'kept:/v');
    assert.equal(await succeed('exec', 'joins', 'ls', '/v'), 'kept');
    await succeed('rm', '-f', 'of-kept', 'of-lost', 'joins');
    await unmounted('kept');
    await succeed('volume', 'rm', 'kept', 'lost');
  });

  test('a bind volume is filled, read-only when asked, and its directory stays when it is removed', async () => {
    const host = mkdtempSync(join(daemon.root, 'host-'));
    await succeed('volume', 'create', '-o', 'type=none', '-o', 'o=bind', '-o', `device=${host}`, 'bound');
    await succeed('run', '--rm', '--network', 'none', '-v', 'bound:/etc', 'busybox', 'true');
    assert.ok(readdirSync(host).includes('passwd'));
    await unmounted('bound');
    await succeed('volume', 'rm', 'bound');
    assert.ok(readdirSync(host).includes('passwd'));
    await succeed('volume', 'create', '-o', 'type=none', '-o', 'o=bind,ro', '-o', `device=${host}`, 'bound');
    assert.match(
      await fail('run', '--rm', '--network', 'none', '-v', 'bound:/v', 'busybox', 'touch', '/v/x'),
      /Read-only/,
    );
    rmSync(host, { recursive: true });
    assert.match(
      await fail('run', '--rm', '--network', 'none', '-v', 'bound:/v', 'busybox', 'true'),
      /error while mounting volume '.*\/bound\/_data': failed to mount local volume: mount .*:.*, flags: 0x1001: no such file or directory/,
    );
    assert.equal(mounted('bound'), 0);
    await succeed('volume', 'rm', 'bound');
  });

  test('cp reaches into volumes of a container that does not run, mounted for that long', async () => {
    const host = mkdtempSync(join(daemon.root, 'host-'));
    writeFileSync(join(host, 'file'), 'inside');
    await succeed('volume', 'create', '-o', 'type=none', '-o', 'o=bind', '-o', `device=${host}`, 'cp');
    await succeed('create', '--name', 'still', '-v', 'cp:/v', 'busybox', 'true');
    const to = mkdtempSync(join(daemon.root, 'to-'));
    await succeed('cp', 'still:/v/file', to);
    assert.equal(readFileSync(join(to, 'file'), 'utf8'), 'inside');
    await unmounted('cp');
    await succeed('rm', 'still');
    await succeed('volume', 'rm', 'cp');
  });

  test('owner and mode of a volume are those it was created with, whatever the image has', async () => {
    await succeed('volume', 'create', '-o', 'uid=70', '-o', 'gid=71', '-o', 'mode=0750', 'owned');
    assert.match(await run('owned', 'ls', '-lnd', '/v'), /^drwxr-x--- +\d+ 70 +71 /);
    const etc = ['run', '--rm', '--network', 'none', '-v', 'owned:/etc', 'busybox'];
    assert.match(await succeed(...etc, 'ls', '-lnd', '/etc'), /^drwxr-x--- +\d+ 70 +71 /);
    assert.match(await succeed(...etc, 'ls', '-ln', '/etc/passwd'), / 0 +0 /, 'the files of the image are its own');
    await succeed(
      'volume',
      'create',
      '-o',
      'type=tmpfs',
      '-o',
      'device=tmpfs',
      '-o',
      'uid=5',
      '-o',
      'mode=0700',
      'ram',
    );
    assert.match(await run('ram', 'ls', '-lnd', '/v'), /^drwx------ +\d+ 5 +0 /);
    await succeed('volume', 'rm', 'owned', 'ram');
  });

  test('a subpath is found inside the volume only', async () => {
    await run(
      'sub',
      'sh',
      '-c',
      'mkdir -p /v/a/b; echo x >/v/a/b/file; ln -s /etc /v/out; ln -s ../../../.. /v/up; ln -s a /v/in',
    );
    const shown = (path: string): string[] => [
      ...['run', '--rm', '--network', 'none', '--mount', `type=volume,src=sub,dst=/v,volume-subpath=${path}`],
      ...['busybox', 'ls', '/v'],
    ];
    assert.equal(await succeed(...shown('a/b')), 'file');
    assert.equal(await succeed(...shown('in/b')), 'file');
    assert.match(await fail(...shown('out')), /cannot access path .*\/sub\/_data\/out/);
    assert.equal(await succeed(...shown('up/a')), 'b', 'a link that leads up stays below the volume');
    assert.match(
      await fail(...shown('missing')),
      /cannot access path .*_data\/missing: lstat .*: no such file or directory/,
    );
    await succeed('volume', 'rm', 'sub');
  });

  test('a backup and its restore keep owners, modes, times, links, holes and attributes', async () => {
    await succeed('volume', 'create', 'source');
    const from = data('source');
    execFileSync('sh', [
      '-ec',
      `cd ${from}; echo text >plain; chown 12:34 plain; chmod 4751 plain; mkdir dir; ln plain dir/hard; ln -s /etc/passwd link
       chown -h 5:6 link; mkfifo pipe; mknod null c 1 3; chown 7:8 .; chmod 2750 .; mkdir ${'long'.repeat(40)}
       printf x >"$(printf 'b\\377d')"; touch -d '2001-02-03 04:05:06.123456789' plain; touch -d '1969-01-01 00:00:00.5' dir`,
    ]);
    writeFileSync(join(from, 'sparse'), 'start');
    truncateSync(join(from, 'sparse'), 50_000_000);
    const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex');
    const attributes = [
      ['plain', 'user.note', Buffer.from([0, 255, 61])],
      ['', 'trusted.top', Buffer.from('1')],
      ['plain', 'security.capability', capability],
      ['dir', 'trusted.overlay.opaque', Buffer.from('y')],
    ] as const;
    for (const [name, attribute, value] of attributes) {
      assert.equal(file.trySetAttributeAt(file.AT_FDCWD, file.byteString(join(from, name)), attribute, value), 0);
    }
    const archive = join(daemon.root, 'backup.tar');
    await ours('volume', 'backup', '-o', archive, 'source');
    assert.ok(statSync(archive).size < 1_000_000, 'holes are not written');
    assert.equal(statSync(archive).mode & 0o077, 0);
    execFileSync('tar', ['-tf', archive], { stdio: 'ignore' });
    assert.equal(await ours('volume', 'restore', '-i', archive, 'copy'), 'copy');
    const listing = (top: string): string =>
      execFileSync(
        'sh',
        ['-c', `cd ${top}; find . -printf '%p %y %m %U %G %n %s %T@ %l\\n' | sort; md5sum plain sparse`],
        {
          encoding: 'latin1',
        },
      );
    assert.equal(listing(data('copy')), listing(from));
    assert.equal(lstatSync(join(data('copy'), 'sparse')).blocks, lstatSync(join(from, 'sparse')).blocks);
    for (const [name, attribute, value] of attributes) {
      const path = file.byteString(join(data('copy'), name));
      assert.deepEqual(file.attributeAt(file.AT_FDCWD, path, attribute), value, attribute);
    }
    await succeed('volume', 'rm', 'source', 'copy');
  });

  test('a restore replaces everything or nothing, and only where nobody looks', async () => {
    await run('target', 'sh', '-c', 'echo old >/v/old; echo old >/v/both');
    await run('donor', 'sh', '-c', 'echo new >/v/new; echo new >/v/both');
    const archive = join(daemon.root, 'donor.tar');
    await ours('volume', 'backup', 'donor', '-o', archive);
    for (const [what, bytes] of [
      ['nothing', Buffer.alloc(0)],
      ['a part', readFileSync(archive).subarray(0, 1536)],
      ['something else', Buffer.from('no archive '.repeat(100))],
    ] as const) {
      const path = join(daemon.root, 'bad');
      writeFileSync(path, bytes);
      const { code, stderr } = await daemon.gantry('volume', 'restore', '-i', path, 'target');
      assert.equal(code, 1, what);
      assert.match(stderr, /unexpected EOF|invalid tar header/, what);
      assert.deepEqual(readdirSync(data('target')).sort(), ['both', 'old'], what);
    }
    await sleeper('user', '-v', 'target:/v');
    const refused = await daemon.gantry('volume', 'restore', '-i', archive, 'target');
    assert.match(refused.stderr, /restore target: volume is in use - \[[0-9a-f]{64}\]/);
    await succeed('rm', '-f', 'user');
    await ours('volume', 'restore', '-i', archive, 'target');
    assert.equal(await run('target', 'sh', '-c', 'cat /v/*; ls /v'), 'new\nnew\nboth\nnew');
    assert.deepEqual(readdirSync(join(data('target'), '..')), ['_data']);
    const made = await daemon.gantry('volume', 'restore', '-i', join(daemon.root, 'bad'), 'never');
    assert.equal(made.code, 1);
    assert.match(await fail('volume', 'inspect', 'never'), /no such volume/, 'what was made for it is gone again');
    await succeed('volume', 'rm', 'target', 'donor');
  });

  test('a backup that pauses its users sees one moment of them', async () => {
    // Two files that a container keeps equal: as they are read one after the other, only a pause finds them so.
    const write =
      'i=0; while :; do i=$((i+1)); echo $i >/n; cp /n /v/.a; mv /v/.a /v/a; cp /n /v/.z; mv /v/.z /v/z; done';
    await succeed(
      'run',
      '-d',
      '--network',
      'none',
      '--name',
      'writer',
      '-v',
      'moving:/v',
      'busybox',
      'sh',
      '-c',
      write,
    );
    const archive = join(daemon.root, 'moment.tar');
    const to = mkdtempSync(join(daemon.root, 'moment-'));
    await ours('volume', 'backup', '--pause', '-o', archive, 'moving');
    assert.equal(await succeed('inspect', '-f', '{{.State.Status}}', 'writer'), 'running');
    execFileSync('tar', ['-C', to, '-xf', archive]);
    const [a, z] = ['a', 'z'].map(name => Number(readFileSync(join(to, name), 'utf8')));
    assert.ok(a !== undefined && z !== undefined && a - z <= 1 && a >= z, `${a} and ${z}`);
    await succeed('rm', '-f', 'writer');
    await succeed('volume', 'rm', 'moving');
  });

  test('volumes that are there are listed, filtered, shown and pruned by our command line as by Docker’s', async () => {
    await succeed('volume', 'create', '--label', 'kind=a', 'v10');
    await succeed('volume', 'create', '--label', 'kind=b', 'v9');
    await succeed('create', '--name', 'holder', '-v', 'v9:/v', '-v', '/anonymous', 'busybox', 'true');
    for (const args of [
      ['volume', 'ls'],
      ['volume', 'ls', '-q', '--filter', 'label=kind'],
      ['volume', 'ls', '-q', '--filter', 'dangling=true'],
      ['volume', 'ls', '--filter', 'name=v1', '--format', 'json'],
      ['volume', 'ls', '--format', 'table {{.Name}}\t{{.Label "kind"}}\t{{.Links}}\t{{.Size}}'],
      ['volume', 'inspect', 'v9', 'v10'],
      ['volume', 'inspect', '-f', '{{.Name}} {{json .Labels}}', 'v9', 'gone'],
      ['volume', 'rm', 'v9', 'gone'],
      ['volume', 'rm', '-f', 'gone'],
      ['volume', 'update', 'v9'],
      ['volume', 'create', '--driver', 'odd', 'x1'],
      ['volume', 'create', 'a/b'],
      ['volume', 'create', '--name', 'a1', 'b1'],
      ['volume', 'prune', '-a', '--filter', 'all=1'],
      ['volume', 'ls', '--filter', 'odd=1'],
    ]) {
      const [theirs, own] = [await daemon.docker(...args), await daemon.gantry(...args)];
      assert.deepEqual(own, theirs, args.join(' '));
    }
    assert.match(await ours('volume', 'prune', '-f'), /^Total reclaimed space: 0B$/);
    assert.match(await ours('volume', 'prune', '-a', '-f', '--filter', 'label=kind=a'), /^Deleted Volumes:\nv10\n/);
    await succeed('rm', '-v', 'holder');
    assert.equal(await succeed('volume', 'ls', '-q'), 'v9');
    await succeed('volume', 'rm', 'v9');
  });

  test('an image is mounted to read, whole or in part, and is not removed while somebody may mount it', async () => {
    await importTree(daemon, 'tools', { files: { 'opt/tool/run': 'content' }, links: { 'opt/link': '/opt/tool' } });
    const mount = (options: string): string[] => ['--mount', `type=image,src=tools,dst=/t${options}`];
    const of = (options: string, ...command: string[]): string[] => [
      ...['run', '--rm', '--network', 'none', ...mount(options), 'busybox', ...command],
    ];
    assert.equal(await succeed(...of('', 'cat', '/t/opt/tool/run')), 'content');
    assert.equal(await succeed(...of(',image-subpath=opt/link', 'ls', '/t')), 'run');
    assert.equal(await succeed(...of(',image-subpath=opt/tool/run', 'cat', '/t')), 'content');
    assert.match(await fail(...of('', 'touch', '/t/x')), /Read-only file system/);
    assert.match(await fail(...of(',image-subpath=nowhere', 'true')), /cannot access path tools\/nowhere/);
    assert.match(await fail(...of(',image-subpath=../x', 'true')), /subpath must be a relative path within the volume/);
    await sleeper('mounts', ...mount(''));
    assert.match(
      await fail('rmi', 'tools'),
      /unable to remove repository reference "tools" \(must force\) - container/,
    );
    assert.equal(
      await succeed(
        'run',
        '--rm',
        '--network',
        'none',
        '--volumes-from',
        'mounts',
        'busybox',
        'cat',
        '/t/opt/tool/run',
      ),
      'content',
    );
    await daemon.end('SIGKILL');
    await daemon.start();
    assert.equal(await succeed('exec', 'mounts', 'cat', '/t/opt/tool/run'), 'content');
    await succeed('rm', '-f', 'mounts');
    await succeed('rmi', 'tools');
  });

  test('a volume that somebody removed by hand is named, and can be removed', async () => {
    await succeed('create', '--name', 'orphan', '-v', 'gone:/v', 'busybox', 'true');
    rmSync(join(data('gone'), '..'), { recursive: true });
    assert.match(
      await fail('start', 'orphan'),
      /error evaluating symlinks from mount source ".*\/gone\/_data": lstat .*\/gone: no such file or directory/,
    );
    await succeed('rm', 'orphan');
    await succeed('volume', 'rm', 'gone');
    assert.ok(!existsSync(join(daemon.dataRoot, 'volumes', 'gone')));
  });

  test('a removal does not go into what is mounted below by hand', async () => {
    await succeed('volume', 'create', 'mounted');
    const host = mkdtempSync(join(daemon.root, 'host-'));
    mkdirSync(join(host, 'precious'));
    execFileSync('mount', ['--bind', host, data('mounted')]);
    await succeed('volume', 'rm', 'mounted');
    assert.equal(mounted('mounted'), 0);
    assert.ok(existsSync(join(host, 'precious')));
  });

  test('events of a volume come in dockerd’s order', async () => {
    const since = String(Math.floor(Date.now() / 1000));
    await succeed('run', '--rm', '--network', 'none', '--name', 'eventful', '-v', 'told:/v', 'busybox', 'true');
    await succeed('volume', 'rm', 'told');
    const events = await succeed(
      'events',
      '--since',
      since,
      '--until',
      String(Math.floor(Date.now() / 1000) + 1),
      '--format',
      '{{.Type}} {{.Action}}',
      '--filter',
      'type=volume',
      '--filter',
      'type=container',
    );
    const lines = events.split('\n').filter(line => !/attach|resize/.test(line));
    // In the same second there may be something of the test before.
    const seen = lines.slice(lines.lastIndexOf('volume create'));
    assert.deepEqual(seen, [
      ...['volume create', 'container create', 'volume mount', 'container start', 'volume unmount', 'container die'],
      ...['container destroy', 'volume destroy'],
    ]);
  });
});
