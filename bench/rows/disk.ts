import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withContainerdStore } from '../containerd-store.ts';
import type { Ours } from '../ours.ts';
import type { Row } from '../row.ts';
import { docker, execute, type Target } from '../target.ts';
import { sha256, type TestImage, threeLayers } from '../test-images.ts';

const archives = ['debian', 'busybox'].map(name => ({ name, path: `/var/tmp/images/${name}.tar` }));

/** Our data root against dockerd's with its containerd image store, the default of Docker 29. */
export const diskRows: readonly Row[] = [
  {
    id: 'disk-pulled',
    title: 'disk for the 354 MB image as it was pulled, which is pushed under its digest (the same)',
    unit: 'MB',
    runs: 1,
    limit: { ratio: 0.8 },
    // The second dockerd has no network to pull by: it loads the very blobs, which both keep.
    measure: async target => {
      const folder = mkdtempSync('/var/tmp/gantry-bench-layout-');
      try {
        const archive = ociArchive(await threeLayers(), folder);
        const add = async (to: Target): Promise<void> => {
          await docker(to, ['load', '-i', archive]);
          if ('condense' in to) await (to as Ours).condense();
        };
        return await inStore(target, (to, folders) => grownMb(folders, () => add(to)));
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  },
  {
    id: 'disk-images',
    title: 'disk for Debian and busybox, imported (dockerd with its containerd image store)',
    unit: 'MB',
    runs: 1,
    limit: { ratio: 0.8 },
    measure: target => inStore(target, importedMb),
  },
];

/** Runs `measure` on our engine, or on a dockerd with its containerd image store; with the folders of its images. */
async function inStore(
  target: Target,
  measure: (target: Target, folders: readonly string[]) => Promise<number>,
): Promise<number> {
  if (target.name === 'gantry') return await measure(target, [join((target as Ours).root, 'data/images')]);
  return await withContainerdStore(({ socket, folders }) => measure({ ...target, socket }, folders));
}

/** An image as an archive of an OCI layout, made in `folder`. @see OCI image-spec, "Image Layout" */
function ociArchive(image: TestImage, folder: string): string {
  const blobs = join(folder, 'layout/blobs/sha256');
  mkdirSync(blobs, { recursive: true });
  const put = (path: string): { digest: string; size: number } => {
    const bytes = readFileSync(path);
    const digest = sha256(bytes);
    copyFileSync(path, join(blobs, digest.slice('sha256:'.length)));
    return { digest, size: bytes.length };
  };
  for (const path of [image.configPath, ...image.layers.map(layer => layer.path)]) put(path);
  const mediaType = 'application/vnd.docker.distribution.manifest.v2+json';
  const annotations = {
    'io.containerd.image.name': 'docker.io/library/disk-pulled:v1',
    'org.opencontainers.image.ref.name': 'v1',
  };
  const manifests = [{ mediaType, ...put(image.manifestPath), annotations }];
  writeFileSync(join(folder, 'layout/index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
  writeFileSync(join(folder, 'layout/oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  const archive = join(folder, 'image.tar');
  execFileSync('tar', ['-C', join(folder, 'layout'), '-cf', archive, '.']);
  return archive;
}

async function grownMb(folders: readonly string[], work: () => Promise<unknown>): Promise<number> {
  const before = await usedMb(folders);
  await work();
  return (await usedMb(folders)) - before;
}

/** What the archives take on disk, in MB; they are removed again. */
async function importedMb(target: Target, folders: readonly string[]): Promise<number> {
  const present = archives.filter(({ path }) => existsSync(path));
  if (present.length === 0) throw new Error('no archives in /var/tmp/images: ../shared/peers/images makes them');
  const before = await usedMb(folders);
  for (const { name, path } of present) await docker(target, ['import', path, `disk-${name}:v1`]);
  const after = await usedMb(folders);
  await docker(target, ['rmi', ...present.map(({ name }) => `disk-${name}:v1`)]);
  return after - before;
}

async function usedMb(folders: readonly string[]): Promise<number> {
  await execute('sync', ['-f', folders[0] ?? '/']);
  const { stdout } = await execute('du', ['-scB1', ...folders]);
  return Number(/^(\d+)\ttotal$/m.exec(stdout)?.[1] ?? 0) / 1e6;
}
