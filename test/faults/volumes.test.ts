/** Volumes when something goes wrong in the middle: the daemon is killed, the disk is full, the archive breaks off. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  createReadStream,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { rootOnly } from '../harness/skip.ts';

const FILES = 1500;
const ROUNDS = Number(process.env.GANTRY_VOLUME_ROUNDS ?? 3);

describe('volumes in trouble', { skip: rootOnly }, () => {
  let daemon: TestDaemon;
  let scratch = '';
  let archive = '';
  before(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'gantry-volume-faults-'));
    daemon = await startDaemon();
    const tree = join(scratch, 'tree');
    mkdirSync(join(tree, 'full/deep'), { recursive: true });
    for (let file = 0; file < FILES; file++) {
      writeFileSync(join(tree, file % 2 === 0 ? 'full' : 'full/deep', `file${file}`), `${file}\n`.repeat(600));
    }
    mkdirSync(join(tree, 'bin'));
    execFileSync('cp', ['/usr/bin/busybox', join(tree, 'bin/true')]);
    execFileSync('tar', ['-C', tree, '-cf', join(scratch, 'image.tar'), '.']);
    assert.equal((await daemon.docker('import', join(scratch, 'image.tar'), 'full')).code, 0);
    archive = join(scratch, 'volume.tar');
    execFileSync('tar', ['-C', join(tree, 'full'), '-cf', archive, '.']);
  });
  after(async () => {
    await daemon?.[Symbol.asyncDispose]();
    rmSync(scratch, { recursive: true, force: true });
  });

  const data = (name: string): string => join(daemon.dataRoot, 'volumes', name, '_data');
  const count = (directory: string): number => readdirSync(directory, { recursive: true }).length;
  /** The files and the directory between them. */
  const ALL = FILES + 1;
  const create = (name: string, volume: string): Promise<{ status: number; body: string }> =>
    daemon.api('POST', `/containers/create?name=${name}`, {
      Image: 'full',
      Cmd: ['true'],
      HostConfig: { Binds: [`${volume}:/full`], NetworkMode: 'none' },
    });
  const restore = (volume: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const sent = request(
        { socketPath: daemon.socket, method: 'PUT', path: `/volumes/${volume}/archive`, agent: false },
        answer => {
          answer.resume();
          answer.on('end', () => resolve(answer.statusCode ?? 0));
        },
      );
      sent.on('error', reject);
      createReadStream(archive).pipe(sent);
    });
  const leftInside = (volume: string): string[] =>
    readdirSync(join(data(volume), '..')).filter(name => name !== '_data');

  test(`a daemon killed while it fills a volume leaves none that counts as filled, in ${ROUNDS} rounds`, async () => {
    const started = performance.now();
    assert.equal((await create('measured', 'measured')).status, 201);
    const takes = performance.now() - started;
    await daemon.docker('rm', '-v', 'measured');
    await daemon.docker('volume', 'rm', 'measured');
    for (let round = 0; round < ROUNDS; round++) {
      const volume = `filled${round}`;
      const answer = create(`c${round}`, volume).catch(() => undefined);
      await delay((takes * (round + 1)) / (ROUNDS + 1));
      await daemon.end('SIGKILL');
      const created = (await answer)?.status === 201;
      await daemon.start();
      const known = (await daemon.docker('volume', 'inspect', volume)).code === 0;
      if (created) assert.equal(count(data(volume)), ALL, `round ${round}: what was answered is whole`);
      else if (known) assert.ok([0, ALL].includes(count(data(volume))), `round ${round}: nothing, or all of it`);
      if (known) assert.deepEqual(leftInside(volume), [], `round ${round}`);
      // What was stored before the kill may have lost its answer only: then the name is taken, by a whole container.
      if (!created) {
        const again = await create(`c${round}`, volume);
        const stored = again.status === 409 && (await daemon.docker('start', '-a', `c${round}`)).code === 0;
        assert.ok(again.status === 201 || stored, `round ${round}: ${again.status} ${again.body}`);
      }
      assert.equal(count(data(volume)), ALL, `round ${round}: it is filled in the end`);
      await daemon.docker('rm', '-v', `c${round}`);
      assert.equal((await daemon.docker('volume', 'rm', volume)).code, 0);
    }
  });

  test(`a daemon killed in a restore leaves the old files or the new, in ${ROUNDS} rounds`, async () => {
    assert.equal((await daemon.docker('volume', 'create', 'restored')).code, 0);
    writeFileSync(join(data('restored'), 'old'), 'old');
    const started = performance.now();
    assert.equal(await restore('measured'), 200);
    const takes = performance.now() - started;
    assert.equal((await daemon.docker('volume', 'rm', 'measured')).code, 0);
    for (let round = 0; round < ROUNDS; round++) {
      const before = readdirSync(data('restored'));
      const answer = restore('restored').catch(() => undefined);
      await delay((takes * (round + 1)) / (ROUNDS + 1));
      await daemon.end('SIGKILL');
      const status = await answer;
      await daemon.start();
      const names = readdirSync(data('restored'));
      if (status === 200 || names.length > 1) assert.equal(count(data('restored')), ALL, `round ${round}`);
      else assert.deepEqual(names, before, `round ${round}`);
      assert.deepEqual(leftInside('restored'), [], `round ${round}`);
      rmSync(data('restored'), { recursive: true });
      mkdirSync(data('restored'));
      writeFileSync(join(data('restored'), 'old'), 'old');
    }
    assert.equal((await daemon.docker('volume', 'rm', 'restored')).code, 0);
  });

  test('a volume that is too small for the image is not filled by half, and says so each time', async () => {
    const options = ['-o', 'type=tmpfs', '-o', 'device=tmpfs', '-o', 'o=size=64k'];
    assert.equal((await daemon.docker('volume', 'create', ...options, 'small')).code, 0);
    for (let attempt = 0; attempt < 2; attempt++) {
      const refused = await create('too-much', 'small');
      assert.equal(refused.status, 500);
      assert.match(refused.body, /failed to populate volume: .*no space left on device/);
    }
    assert.ok(!readFileSync('/proc/self/mounts', 'utf8').includes(data('small')));
    assert.equal((await daemon.docker('ps', '-aq', '--filter', 'name=too-much')).stdout, '');
    assert.equal((await daemon.docker('volume', 'rm', 'small')).code, 0);
  });

  test('a volume on a device that vanished is named, and works again when the device is back', async () => {
    const disk = join(scratch, 'disk');
    execFileSync('sh', ['-c', `truncate -s 16M ${disk} && mkfs.ext4 -q -O ^has_journal ${disk}`]);
    const loop = execFileSync('losetup', ['-f', '--show', disk], { encoding: 'utf8' }).trim();
    const run = (...command: string[]) =>
      daemon.docker('run', '--rm', '--network', 'none', '-v', 'disk:/v', 'full', ...command);
    try {
      const made = await daemon.docker('volume', 'create', '-o', 'type=ext4', '-o', `device=${loop}`, 'disk');
      assert.equal(made.code, 0, made.stderr);
      assert.equal((await run('true')).code, 0);
      assert.equal(await restore('disk'), 200, 'what is mounted from elsewhere is filled in its place');
      assert.equal(await restore('disk'), 409, 'and not replaced');
    } finally {
      execFileSync('losetup', ['-d', loop]);
    }
    const gone = await run('true');
    assert.equal(gone.code, 125);
    assert.match(
      gone.stderr,
      /error while mounting volume '.*\/disk\/_data': failed to mount local volume: mount \/dev\/loop\d+:/,
    );
    execFileSync('losetup', [loop, disk]);
    try {
      assert.equal((await run('true')).code, 0);
    } finally {
      await daemon.docker('volume', 'rm', 'disk');
      execFileSync('losetup', ['-d', loop]);
    }
  });

  test('a backup whose reader goes away lets go of the volume and of its users', async () => {
    assert.equal(await restore('read'), 200);
    await new Promise<void>(resolve => {
      const sent = request(
        { socketPath: daemon.socket, path: '/volumes/read/archive?pause=1', agent: false },
        answer => {
          answer.once('data', () => {
            answer.destroy();
            resolve();
          });
        },
      );
      sent.end();
    });
    for (;;) {
      const { code, stderr } = await daemon.docker('volume', 'rm', 'read');
      if (code === 0) break;
      assert.match(stderr, /volume has active mounts/);
      await delay(10);
    }
    assert.ok(!statSync(join(daemon.dataRoot, 'volumes/read'), { throwIfNoEntry: false }));
  });
});
