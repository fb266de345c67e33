import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { withContainerdStore } from '../containerd-store.ts';
import type { Ours } from '../ours.ts';
import type { Row } from '../row.ts';
import { docker, execute, type Target } from '../target.ts';

const archives = ['debian', 'busybox'].map(name => ({ name, path: `/var/tmp/images/${name}.tar` }));

/** Our data root against dockerd's with its containerd image store, the default of Docker 29. */
export const diskRows: readonly Row[] = [
  {
    id: 'disk-images',
    title: 'disk for Debian and busybox, imported (dockerd with its containerd image store)',
    unit: 'MB',
    runs: 1,
    limit: { ratio: 0.8 },
    measure: async target => {
      if (target.name === 'gantry') {
        const { root } = target as Ours;
        return await importedMb(target, [join(root, 'data/images')]);
      }
      return await withContainerdStore(({ socket, folders }) => importedMb({ ...target, socket }, folders));
    },
  },
];

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
