import assert from 'node:assert/strict';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { execute } from '../harness/execute.ts';
import { rootOnly } from '../harness/skip.ts';

describe('docker cp, export and diff', { skip: rootOnly }, () => {
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
  const scratch = (): string => mkdtempSync(join(daemon.root, 'copy-'));
  /** A container that runs until the test ends, after `script`. */
  const running = async (name: string, script: string, ...flags: string[]): Promise<void> => {
    await succeed(
      'run',
      '-d',
      '--name',
      name,
      ...flags,
      'busybox',
      'sh',
      '-c',
      `${script}; touch /tmp/ready; sleep 1000`,
    );
    for (;;) if ((await daemon.docker('exec', name, 'test', '-e', '/tmp/ready')).code === 0) return;
  };
  const put = (name: string, path: string, archive: Buffer, query = ''): Promise<{ status: number; body: string }> =>
    new Promise((resolve, reject) => {
      const url = `/containers/${name}/archive?path=${encodeURIComponent(path)}${query}`;
      const sent = request({ socketPath: daemon.socket, method: 'PUT', path: url, agent: false }, answer => {
        const chunks: Buffer[] = [];
        answer.on('data', chunk => chunks.push(chunk));
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
      });
      sent.on('error', reject);
      sent.end(archive);
    });
  const tarOf = async (folder: string, ...args: string[]): Promise<Buffer> => {
    const path = join(scratch(), 'tar');
    const { code, stderr } = await execute('tar', ['-C', folder, '-P', '-cf', path, ...args]);
    assert.equal(code, 0, stderr);
    return readFileSync(path);
  };

  test('files, directories and links come out as they are', async () => {
    const script =
      'mkdir /d; echo a >/d/a; ln /d/a /d/b; ln -s ../etc/passwd /d/l; ln -s /d /dl; chown 12:34 /d/a; chmod 4750 /d/a';
    await running('out', script);
    const to = scratch();
    await succeed('cp', 'out:/d', to);
    assert.deepEqual(readdirSync(join(to, 'd')).sort(), ['a', 'b', 'l']);
    assert.equal(readlinkSync(join(to, 'd/l')), '../etc/passwd');
    assert.equal(lstatSync(join(to, 'd/a')).ino, lstatSync(join(to, 'd/b')).ino);
    await succeed('cp', '-L', 'out:/dl', join(to, 'followed'));
    assert.equal(readFileSync(join(to, 'followed/a'), 'utf8'), 'a\n');
    await succeed('cp', 'out:/d/.', join(to, 'content'));
    assert.deepEqual(readdirSync(join(to, 'content')).sort(), ['a', 'b', 'l']);
    const streamed = await daemon.docker('cp', 'out:/d/a', '-');
    writeFileSync(join(to, 'stream'), streamed.stdout, 'latin1');
    assert.match((await execute('tar', ['-tvf', join(to, 'stream')])).stdout, /^-rwsr-x--- 12\/34 /);
    assert.match(await fail('cp', 'out:/nosuch', to), /Could not find the file \/nosuch in container out/);
  });

  test('files, directories and streams go in, into volumes and binds too', async () => {
    const bind = scratch();
    await running('in', 'true', '-v', '/volume', '-v', `${bind}:/bind`, '-v', `${bind}:/readonly:ro`);
    const from = scratch();
    mkdirSync(join(from, 'tree/sub'), { recursive: true });
    writeFileSync(join(from, 'tree/sub/file'), 'content');
    symlinkSync('sub/file', join(from, 'tree/link'));
    await succeed('cp', join(from, 'tree'), 'in:/tmp/new');
    await succeed('cp', join(from, 'tree'), 'in:/volume');
    await succeed('cp', join(from, 'tree/sub/file'), 'in:/bind/file');
    const piped = await daemon.dockerWithInput(await tarOf(from, 'tree'), 'cp', '-', 'in:/root');
    assert.equal(piped.code, 0, piped.stderr);
    const shown = await succeed('exec', 'in', 'cat', '/tmp/new/link', '/volume/tree/sub/file', '/root/tree/link');
    assert.equal(shown, 'contentcontentcontent');
    assert.equal(readFileSync(join(bind, 'file'), 'utf8'), 'content');
    assert.match(await fail('cp', join(from, 'tree'), 'in:/readonly'), /mounted volume is marked read-only/);
    assert.match(await fail('cp', join(from, 'tree/sub/file'), 'in:/etc/hosts'), /device or resource busy/);
    assert.equal(
      (await put('in', '/etc/passwd', await tarOf(from, 'tree'))).body,
      '{"message":"extraction point is not a directory"}\n',
    );
  });

  test('a container that does not run shows its volumes as well', async () => {
    await succeed(
      'create',
      '--name',
      'still',
      '-u',
      '77:88',
      '-v',
      '/data/volume',
      '--read-only',
      'busybox',
      'ls',
      '-ln',
      '/data/volume',
    );
    const from = scratch();
    writeFileSync(join(from, 'file'), 'x');
    await succeed('cp', '-a', join(from, 'file'), 'still:/data/volume/');
    assert.match(await fail('cp', join(from, 'file'), 'still:/'), /container rootfs is marked read-only/);
    assert.match(await succeed('start', '-a', 'still'), / 77 +88 .* file/);
    const to = scratch();
    await succeed('cp', 'still:/data/volume/file', to);
    assert.equal(readFileSync(join(to, 'file'), 'utf8'), 'x');
  });

  test('links of the container lead nowhere but into the container', async () => {
    const secret = join(scratch(), 'secret');
    writeFileSync(secret, 'of the host');
    await running(
      'hostile',
      `ln -s ${secret} /direct; ln -s / /root/top; ln -s /proc/1/root/proc /magic; mkdir /tmp/x; ln -s ../../../../../../.. /tmp/x/up`,
    );
    const to = scratch();
    for (const path of [`/root/top${secret}`, `/tmp/x/up${secret}`, `/proc/self/cwd${secret}`]) {
      await fail('cp', `hostile:${path}`, to);
    }
    await fail('cp', '-L', 'hostile:/direct', to);
    assert.deepEqual(readdirSync(to), []);
    // Through links that lead up, and names that climb: all of it stays below the container's root.
    const from = scratch();
    mkdirSync(join(from, 'up'));
    writeFileSync(join(from, 'up/gantry-escaped'), 'x');
    assert.equal((await put('hostile', '/tmp/x', await tarOf(from, 'up/gantry-escaped'))).status, 200);
    assert.equal(existsSync('/gantry-escaped'), false);
    assert.equal(await succeed('exec', 'hostile', 'cat', '/gantry-escaped'), 'x');
    const climbing = await tarOf(from, '--transform=s,^up,../../../..,', 'up/gantry-escaped');
    const answer = await put('hostile', '/tmp/x', climbing);
    assert.deepEqual([answer.status, /is outside of/.test(answer.body)], [400, true]);
  });

  test('a link that changes meanwhile leads to no file of the host', async () => {
    const outside = scratch();
    writeFileSync(join(outside, 'file'), 'of the host');
    const flip = `mkdir -p /f/real; echo inside >/f/real/file; (while :; do ln -sfn /f/real /f/l; ln -sfn ${outside} /f/l; done) & true`;
    await running('flipping', flip);
    const from = scratch();
    writeFileSync(join(from, 'file'), 'changed');
    const archive = await tarOf(from, 'file');
    for (let round = 0; round < 20; round++) {
      const { stdout } = await daemon.docker('cp', 'flipping:/f/l/file', '-');
      assert.ok(!stdout.includes('of the host'));
      const answer = await put('flipping', '/f/l', archive);
      // 400: "extraction point is not a directory", where a link came between the look-up and the opening.
      assert.ok([200, 400, 404, 500].includes(answer.status), `${answer.status} ${answer.body}`);
    }
    assert.equal(readFileSync(join(outside, 'file'), 'utf8'), 'of the host');
    assert.deepEqual(readdirSync(outside), ['file']);
  });

  test('noOverwriteDirNonDir keeps what is of another kind', async () => {
    await running('kinds', 'mkdir /tmp/d; echo >/tmp/f');
    const from = scratch();
    writeFileSync(join(from, 'd'), '');
    mkdirSync(join(from, 'f'));
    const keep = '&noOverwriteDirNonDir=1';
    assert.match(
      (await put('kinds', '/tmp', await tarOf(from, 'd'), keep)).body,
      /cannot overwrite directory .*\/tmp\/d.* with non-directory/,
    );
    assert.match(
      (await put('kinds', '/tmp', await tarOf(from, 'f'), keep)).body,
      /cannot overwrite non-directory .*\/tmp\/f.* with directory/,
    );
    assert.equal((await put('kinds', '/tmp', await tarOf(from, 'd', 'f'))).status, 200);
    assert.equal(
      await succeed('exec', 'kinds', 'sh', '-c', 'test -f /tmp/d && test -d /tmp/f && echo replaced'),
      'replaced',
    );
  });

  test('diff lists what was added, changed and deleted', async () => {
    await running(
      'changed',
      'rm /etc/group; echo x >>/etc/passwd; mkdir /new; echo >/new/file; chmod 700 /var; rm /tmp/ready',
      '-v',
      '/vol',
    );
    const lines = (await succeed('diff', 'changed')).split('\n').filter(line => !line.includes('ready'));
    assert.deepEqual(lines, [
      'C /etc',
      'D /etc/group',
      'C /etc/passwd',
      'A /new',
      'A /new/file',
      'C /tmp',
      'C /var',
      'A /vol',
    ]);
    await succeed('create', '--name', 'fresh', 'busybox', 'true');
    assert.equal(await succeed('diff', 'fresh'), '');
  });

  test('export is the root file system, flat, of a running container and of one at rest', async () => {
    await running('exported', 'echo a >/file; echo v >/vol/inside', '-v', '/vol');
    for (const state of ['running', 'stopped']) {
      if (state === 'stopped') await succeed('stop', '-t', '0', 'exported');
      const archive = join(scratch(), 'tar');
      await succeed('export', '-o', archive, 'exported');
      const { stdout } = await execute('tar', ['-tf', archive]);
      const names = stdout.split('\n');
      for (const name of ['file', 'vol/', 'proc/', 'bin/busybox']) assert.ok(names.includes(name), `${name}, ${state}`);
      assert.ok(!names.some(name => /^(vol|proc|sys|dev)\/./.test(name)), `nothing that is mounted, ${state}`);
    }
  });

  test('our own command line copies, exports and lists', async () => {
    await running('ours', 'echo a >/file');
    const to = scratch();
    const ours = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await daemon.gantry(...args);
      assert.equal(code, 0, `gantry ${args.join(' ')}: ${stderr}`);
      return stdout;
    };
    await ours('cp', 'ours:/file', join(to, 'renamed'));
    assert.equal(readFileSync(join(to, 'renamed'), 'utf8'), 'a\n');
    await ours('cp', to, 'ours:/tmp/back');
    assert.equal(await succeed('exec', 'ours', 'cat', '/tmp/back/renamed'), 'a');
    assert.match(await ours('diff', 'ours'), /^A \/file$/m);
    await ours('export', '-o', join(to, 'tar'), 'ours');
    assert.match((await execute('tar', ['-tf', join(to, 'tar')])).stdout, /^file$/m);
  });
});
