import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { readFile } from 'node:fs/promises';
import { arch } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';

/** An image as files: what a registry is given, and what the physical limit is measured with. */
export type TestImage = {
  readonly name: string;
  readonly configPath: string;
  readonly manifestPath: string;
  readonly layers: readonly { readonly path: string; readonly digest: string; readonly sizeBytes: number }[];
};

const folder = process.env.GANTRY_BENCH_IMAGES ?? '/var/tmp/gantry-bench-images';
export const debianArchive = '/var/tmp/images/debian.tar';

/**
 * Three gzip layers, about 354 MB unpacked: Debian by debootstrap, nginx and Python by apt, 2000 random files of 20 kB. Made once,
 * kept in GANTRY_BENCH_IMAGES (/var/tmp/gantry-bench-images).
 */
export function threeLayers(): Promise<TestImage> {
  return image('three-layers', work => {
    const root = join(work, 'debian');
    if (existsSync(debianArchive)) {
      mkdirSync(root);
      run('tar', ['-C', root, '-xf', debianArchive]);
    } else {
      run('debootstrap', ['--variant=minbase', 'bookworm', root, debianMirror()]);
    }
    const layers = [archive(work, root, 'debian')];
    // apt works on an overlay, whose upper directory is the second layer.
    for (const name of ['upper', 'work', 'merged']) mkdirSync(join(work, name));
    const merged = join(work, 'merged');
    const options = `lowerdir=${root},upperdir=${join(work, 'upper')},workdir=${join(work, 'work')}`;
    run('mount', ['-t', 'overlay', 'overlay', '-o', options, merged]);
    try {
      copyOfHost('etc/resolv.conf', merged);
      run('mount', ['--bind', '/dev', join(merged, 'dev')]);
      const install = 'apt-get update -q && apt-get install -y -q nginx python3 perl';
      run('chroot', [merged, 'sh', '-c', `export DEBIAN_FRONTEND=noninteractive; ${install} && apt-get clean`]);
    } finally {
      execFileSync('umount', ['-R', merged]);
    }
    layers.push(archive(work, join(work, 'upper'), 'apt'));
    const random = join(work, 'random');
    mkdirSync(random);
    const script = 'i=0; while [ $i -lt 2000 ]; do head -c 20000 /dev/urandom >"$1/$i"; i=$((i+1)); done';
    run('sh', ['-c', script, 'sh', random]);
    layers.push(archive(work, random, 'data'));
    return layers;
  });
}

/** Twenty gzip layers with 5000 small files each, of 0 to 4 kB of words. */
export function twentyLayers(): Promise<TestImage> {
  return image('twenty-layers', work =>
    Array.from({ length: 20 }, (_, n) => {
      const root = join(work, `layer${n}`);
      for (let i = 0; i < 5000; i++) {
        const directory = join(root, 'srv', `d${n}`, `${i % 100}`);
        if (i < 100) mkdirSync(directory, { recursive: true });
        writeFileSync(join(directory, `file-${i}.txt`), words(n * 5000 + i));
      }
      return archive(work, root, `small-${n}`);
    }),
  );
}

/** Text that compresses as text does, the same for the same number. */
function words(seed: number): string {
  let state = seed * 2_654_435_761 + 12_345;
  const next = (): number => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0;
    return (state >>> 8) & 0xffff;
  };
  const length = next() % 4096;
  let text = '';
  while (text.length < length) text += `${(next() % 3000).toString(36)}ing ${(next() % 300).toString(36)} `;
  return text.slice(0, length);
}

async function image(name: string, make: (work: string) => { path: string; folder: string }[]): Promise<TestImage> {
  const ready = join(folder, name, 'image.json');
  if (existsSync(ready)) return JSON.parse(await readFile(ready, 'utf8'));
  mkdirSync(folder, { recursive: true });
  rmSync(join(folder, name), { recursive: true, force: true });
  console.log(`bench: making the image ${name} in ${folder}, once`);
  const work = mkdtempSync(join(folder, '.making-'));
  try {
    const made = join(work, 'image');
    mkdirSync(made);
    const layers = [];
    const diffIds = [];
    for (const [i, { path }] of make(work).entries()) {
      diffIds.push(await digest(path, true));
      renameSync(path, join(made, `layer${i}.tar.gz`));
      const compressed = join(made, `layer${i}.tar.gz`);
      layers.push({
        path: join(folder, name, `layer${i}.tar.gz`),
        digest: await digest(compressed, false),
        sizeBytes: statSync(compressed).size,
      });
    }
    const config = JSON.stringify({
      architecture: arch() === 'x64' ? 'amd64' : arch(),
      os: 'linux',
      created: '2026-01-01T00:00:00Z',
      config: { Cmd: ['true'] },
      rootfs: { type: 'layers', diff_ids: diffIds },
      history: layers.map(() => ({ created: '2026-01-01T00:00:00Z', created_by: 'the bench' })),
    });
    const type = 'application/vnd.docker';
    const manifest = JSON.stringify({
      schemaVersion: 2,
      mediaType: `${type}.distribution.manifest.v2+json`,
      config: { mediaType: `${type}.container.image.v1+json`, size: config.length, digest: sha256(config) },
      layers: layers.map(layer => ({
        mediaType: `${type}.image.rootfs.diff.tar.gzip`,
        size: layer.sizeBytes,
        digest: layer.digest,
      })),
    });
    writeFileSync(join(made, 'config.json'), config);
    writeFileSync(join(made, 'manifest.json'), manifest);
    const result: TestImage = {
      name,
      configPath: join(folder, name, 'config.json'),
      manifestPath: join(folder, name, 'manifest.json'),
      layers,
    };
    writeFileSync(join(made, 'image.json'), JSON.stringify(result));
    renameSync(made, join(folder, name));
    return result;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

export const sha256 = (bytes: string | Uint8Array): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

async function digest(path: string, unpacked: boolean): Promise<string> {
  const hash = createHash('sha256');
  if (unpacked) await pipeline(createReadStream(path), createGunzip(), hash);
  else await pipeline(createReadStream(path), hash);
  return `sha256:${hash.digest('hex')}`;
}

/** Whiteouts are left out: what apt removed again is of no weight here. */
function archive(work: string, root: string, name: string): { path: string; folder: string } {
  const path = join(work, `${name}.tar.gz`);
  const script =
    'tar -C "$1" --numeric-owner --sort=name --exclude=./dev/* --exclude=./proc/* --exclude=./sys/* -c . | gzip -6 -n >"$2"';
  run('sh', ['-c', `find "$1" -type c -delete; ${script}`, 'sh', root, path]);
  return { path, folder: root };
}

/** What the host reaches its package mirror by. */
function copyOfHost(path: string, root: string): void {
  if (!existsSync(`/${path}`)) return;
  mkdirSync(join(root, path, '..'), { recursive: true });
  run('cp', ['-L', `/${path}`, join(root, path)]);
}

function debianMirror(): string {
  const script =
    'awk \'/^URIs:/{print $2; exit} $1=="deb"{print $2; exit}\' /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null';
  return execFileSync('sh', ['-c', script]).toString().trim();
}

function run(program: string, args: readonly string[]): void {
  execFileSync(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
}
