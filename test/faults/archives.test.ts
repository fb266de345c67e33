/** Archives that are damaged or made by an attacker, through the official client: refused, nothing visible, nothing left on disk. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  type Dirent,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { descriptors, open } from '../harness/raw.ts';
import { rootOnly } from '../harness/skip.ts';

type Member = {
  readonly name: string;
  readonly type?: '0' | '1' | '2' | '3' | '4' | '5' | '6';
  readonly data?: string | Buffer;
  readonly link?: string;
  /** Said in the header when it is not the data's own. */
  readonly size?: number;
};

/** A tar as an attacker writes it: nothing is checked. */
function tar(members: readonly Member[], end = true): Buffer {
  const blocks = members.flatMap(({ name, type = '0', data = '', link = '', size }) => {
    const body = Buffer.from(data);
    const head = Buffer.alloc(512);
    head.write(name, 0, 100);
    head.write('0000755\0', 100);
    head.write('0000000\0', 108);
    head.write('0000000\0', 116);
    head.write(`${(size ?? body.length).toString(8).padStart(11, '0')}\0`, 124);
    head.write('00000000000\0', 136);
    head.write('        ', 148);
    head.write(type, 156);
    head.write(link, 157, 100);
    head.write('ustar\x0000', 257);
    if (type === '3' || type === '4') head.write('0000001\x000000003\0', 329);
    const sum = head.reduce((total, byte) => total + byte, 0);
    head.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    return [head, body, Buffer.alloc((512 - (body.length % 512)) % 512)];
  });
  return Buffer.concat(end ? [...blocks, Buffer.alloc(1024)] : blocks);
}

const sha256 = (data: string | Buffer): string => createHash('sha256').update(data).digest('hex');

/** An archive as docker save wrote it, of one image, with one part replaced. */
function saved({
  layer = tar([{ name: 'file', data: 'text' }]),
  diffId = sha256(layer),
  config,
  manifest,
  without = [],
}: {
  layer?: Buffer;
  diffId?: string;
  config?: string;
  manifest?: string;
  without?: readonly string[];
} = {}): Buffer {
  const configText =
    config ??
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      config: { Cmd: ['/file'] },
      rootfs: { type: 'layers', diff_ids: [`sha256:${diffId}`] },
    });
  const manifestText =
    manifest ?? JSON.stringify([{ Config: 'config.json', RepoTags: ['bad:latest'], Layers: ['layer.tar'] }]);
  return tar(
    [
      { name: 'config.json', data: configText },
      { name: 'layer.tar', data: layer },
      { name: 'manifest.json', data: manifestText },
    ].filter(({ name }) => !without.includes(name)),
  );
}

describe('hostile and damaged archives', { skip: rootOnly }, () => {
  let daemon: TestDaemon;
  let scratch = '';
  let images = '';
  let tree: string[] = [];

  /** Paths below the images, but for the files of layers; what is being removed may vanish while it is listed. */
  const listTree = (): string[] => {
    const root = join(daemon.dataRoot, 'images');
    const below = (path: string): string[] => {
      let entries: Dirent[] = [];
      try {
        entries = readdirSync(join(root, path), { withFileTypes: true });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
      return entries.flatMap(entry => {
        const own = join(path, entry.name);
        return [own, ...(entry.isDirectory() && entry.name !== 'diff' ? below(own) : [])];
      });
    };
    return below('').sort();
  };
  const settled = async (): Promise<void> => {
    for (let i = 0; i < 100 && listTree().length > tree.length; i++) await new Promise(done => setTimeout(done, 20));
  };

  before(async () => {
    daemon = await startDaemon();
    scratch = mkdtempSync(join(tmpdir(), 'gantry-archives-'));
    images = (await daemon.docker('images', '-aq')).stdout;
    tree = listTree();
  });
  after(async () => {
    await daemon?.[Symbol.asyncDispose]();
    rmSync(scratch, { recursive: true, force: true });
  });
  afterEach(async () => {
    assert.equal((await daemon.docker('images', '-aq')).stdout, images, 'no image is visible');
    await settled();
    assert.deepEqual(listTree(), tree, 'nothing is left on disk');
  });

  async function refused(verb: 'load' | 'import', archive: Buffer, text: RegExp): Promise<void> {
    const file = join(scratch, 'archive.tar');
    writeFileSync(file, archive);
    const ended =
      verb === 'load' ? await daemon.docker('load', '-i', file) : await daemon.docker('import', file, 'bad');
    assert.equal(ended.code, 1, `${verb} succeeded: ${ended.stdout}`);
    assert.match(ended.stderr + ended.stdout, text);
    assert.doesNotMatch(
      ended.stderr + ended.stdout,
      /undefined|is not a function|Cannot (read|destructure)|at .*\.ts:\d/,
      'a text for people',
    );
  }

  test('what is no archive is refused', async () => {
    await refused('load', Buffer.from('no archive at all'), /invalid|unexpected EOF|not a tar|archive/i);
    await refused('import', Buffer.from('no archive at all'.repeat(100)), /invalid|tar/i);
    await refused('load', Buffer.alloc(0), /./);
    await refused('load', tar([{ name: 'etc/passwd', data: 'x' }]), /manifest\.json/);
    await refused('load', Buffer.alloc(100_000, 0xa5), /./);
  });

  test('a compressed archive that is damaged is refused', async () => {
    const whole = gzipSync(saved());
    await refused(
      'load',
      whole.subarray(0, whole.length - 20),
      /unexpected EOF|truncated|unexpected end|gzip|damaged/i,
    );
    const turned = Buffer.from(whole);
    for (let at = 40; at < 80; at++) turned[at] = 0xff;
    await refused('load', turned, /./);
    await refused('import', Buffer.concat([Buffer.from([0x1f, 0x8b, 8, 0]), Buffer.alloc(500, 7)]), /./);
    await refused('import', Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), Buffer.alloc(500, 7)]), /./);
  });

  test('an archive that ends too early is refused wherever it was cut', async () => {
    const whole = saved({ layer: tar([{ name: 'file', data: Buffer.alloc(20_000, 'x') }]) });
    for (const at of [100, 512, 700, 3000, 15_000, whole.length - 1500]) {
      await refused('load', whole.subarray(0, at), /unexpected EOF|truncated|manifest\.json|ended|invalid/i);
    }
    const rootfs = tar([{ name: 'file', data: Buffer.alloc(20_000, 'x') }]);
    await refused('import', rootfs.subarray(0, 5000), /unexpected EOF|truncated|ended/i);
  });

  test('a layer whose digest is not the one of its image is refused', async () => {
    await refused('load', saved({ diffId: 'a'.repeat(64) }), /invalid diffID for layer|digest/);
    const gz = gzipSync(tar([{ name: 'file', data: 'text' }]));
    await refused('load', saved({ layer: gz, diffId: 'b'.repeat(64) }), /invalid diffID for layer|digest/);
  });

  test('a manifest.json that names missing files, or is nonsense, is refused', async () => {
    await refused('load', saved({ without: ['layer.tar'] }), /layer\.tar/);
    await refused('load', saved({ without: ['config.json'] }), /config\.json/);
    for (const manifest of [
      '',
      '{',
      '[null]',
      '[1]',
      '{}',
      'null',
      '"x"',
      '[{}]',
      '[{"Config":1}]',
      `[{"Config":"config.json","Layers":[5]}]`,
      '[[]]',
    ]) {
      await refused('load', saved({ manifest }), /./);
    }
    await refused(
      'load',
      saved({ manifest: '[{"Config":"../../../etc/passwd","Layers":["layer.tar"]}]' }),
      /passwd|invalid/,
    );
    await refused('load', saved({ manifest: '[{"Config":"config.json","Layers":[]}]' }), /layers length mismatch/);
    await refused(
      'load',
      saved({ manifest: '[{"Config":"config.json","RepoTags":["UP:low:er"],"Layers":["layer.tar"]}]' }),
      /invalid reference format|invalid tag/,
    );
    for (const config of [
      '',
      'x',
      'null',
      '[]',
      '{}',
      '{"rootfs":5}',
      '{"rootfs":{"type":"layers","diff_ids":[7]}}',
      '{"os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:x"]}}',
    ]) {
      await refused('load', saved({ config }), /./);
    }
  });

  test('paths and links that leave the root do not', async () => {
    const outside = join(scratch, 'outside');
    mkdirSync(outside);
    const up = '../'.repeat(30);
    const attempts: readonly (readonly Member[])[] = [
      [{ name: `${up}${outside.slice(1)}/a`, data: 'out' }],
      [{ name: `x/${up}${outside.slice(1)}/a`, data: 'out' }],
      [{ name: `${outside}/a`, data: 'out' }],
      [
        { name: 'link', type: '2', link: outside },
        { name: 'link/a', data: 'out' },
      ],
      [
        { name: 'link', type: '2', link: `${up}${outside.slice(1)}` },
        { name: 'link/a', data: 'out' },
      ],
      [{ name: 'hard', type: '1', link: `${up}etc/hostname` }],
      [{ name: 'hard', type: '1', link: '/etc/hostname' }],
      [
        { name: 'link', type: '2', link: '/etc' },
        { name: 'hard', type: '1', link: 'link/hostname' },
      ],
      [
        { name: 'd', type: '2', link: '/' },
        { name: `d${outside}/a`, data: 'out' },
      ],
      [{ name: '.wh...', data: '' }],
      [{ name: `x/.wh.${'..'}`, data: '' }],
    ];
    for (const members of attempts) {
      const file = join(scratch, 'archive.tar');
      const archive = tar(members);
      for (const bytes of [archive, saved({ layer: archive })]) {
        writeFileSync(file, bytes);
        const ended =
          bytes === archive ? await daemon.docker('import', file, 'bad') : await daemon.docker('load', '-i', file);
        assert.deepEqual(readdirSync(outside), [], JSON.stringify(members));
        if (ended.code === 0) {
          const inside = await daemon.docker('create', '--name', 'look', 'bad', '/x');
          assert.equal(inside.code, 0, inside.stderr);
          await daemon.docker('rm', 'look');
          assert.equal((await daemon.docker('rmi', 'bad')).code, 0);
        }
      }
    }
    assert.ok(existsSync('/etc/hostname'));
    assert.deepEqual(readdirSync(outside), []);
  });

  test('a device node of an image cannot be opened in a container beyond the devices it may use', async () => {
    const busybox = readFileSync('/usr/bin/busybox');
    const layer = tar([
      { name: 'sh', data: busybox },
      { name: 'memory', type: '3' },
      { name: 'disk', type: '4' },
      { name: 'pipe', type: '6' },
    ]);
    const file = join(scratch, 'archive.tar');
    writeFileSync(file, layer);
    const imported = await daemon.docker('import', file, 'nodes');
    if (imported.code === 0) {
      for (const node of ['/disk']) {
        const read = await daemon.docker(
          'run',
          '--rm',
          'nodes',
          '/sh',
          'dd',
          `if=${node}`,
          'of=/dev/null',
          'bs=1',
          'count=1',
        );
        assert.notEqual(read.code, 0, `${node} could be read`);
      }
      await daemon.docker('rmi', 'nodes');
    } else assert.match(imported.stderr, /device|not permitted/);
  });

  test('a bomb in size is stopped before the disk is full', async () => {
    const head = tar([{ name: 'big', size: 0o77777777777 }], false);
    await refused('import', Buffer.concat([head, Buffer.alloc(1024)]), /./);
    const zeros = gzipSync(Buffer.concat([head, Buffer.alloc(64 * 1024 * 1024)]));
    await refused('load', zeros, /./);
  });

  test('a bomb in count is stopped', async () => {
    const deep = tar([{ name: `${'d/'.repeat(45)}f`, data: '' }]);
    const file = join(scratch, 'archive.tar');
    writeFileSync(file, deep);
    await daemon.docker('import', file, 'deep');
    await daemon.docker('rmi', 'deep');
    const many = gzipSync(
      saved({
        manifest: JSON.stringify(
          Array.from({ length: 5000 }, () => ({ Config: 'config.json', Layers: ['layer.tar'] })),
        ),
      }),
    );
    await refused('load', many, /not a list of images|too many/);
  });

  test('a client that hangs up while it sends an archive leaves nothing', async () => {
    const before = descriptors(daemon.pid()).length;
    const body = saved({ layer: tar([{ name: 'file', data: Buffer.alloc(3_000_000, 'x') }]) });
    for (const path of ['/images/load', '/images/create?fromSrc=-&repo=bad']) {
      for (const sent of [10, 600, 200_000, body.length - 2000]) {
        const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-tar\r\nContent-Length: ${body.length}\r\n\r\n`;
        const socket = await open(daemon.socket, Buffer.concat([Buffer.from(head), body.subarray(0, sent)]), false);
        socket.destroy();
      }
    }
    await settled();
    for (let i = 0; i < 100 && descriptors(daemon.pid()).length > before; i++)
      await new Promise(done => setTimeout(done, 20));
    assert.ok(descriptors(daemon.pid()).length <= before + 1, descriptors(daemon.pid()).join(' '));
  });

  test('an archive of the real thing still loads after all this', async () => {
    const file = join(scratch, 'good.tar');
    assert.equal((await daemon.docker('save', '-o', file, 'busybox')).code, 0);
    execFileSync('tar', ['-tf', file]);
    assert.match((await daemon.docker('load', '-i', file)).stdout, /Loaded image: busybox:latest/);
  });
});
