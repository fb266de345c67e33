import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Row } from '../row.ts';
import { docker, type Target } from '../target.ts';

const TREE_FILES = 2000;
const TREE_BYTES = 100_000_000;

/** Imports an image with a tree of 100 MB in `/tree`. */
async function importTree(target: Target): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'gantry-bench-tree-'));
  try {
    const random = randomBytes(TREE_BYTES / TREE_FILES);
    for (let file = 0; file < TREE_FILES; file++) {
      const directory = join(scratch, 'root/tree', String(file % 50));
      if (file < 50) mkdirSync(directory, { recursive: true });
      writeFileSync(join(directory, String(file)), random);
    }
    execFileSync('tar', ['-C', join(scratch, 'root'), '-cf', join(scratch, 'tar'), '.']);
    await docker(target, ['import', join(scratch, 'tar'), 'bench-tree']);
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

const manyBinds = Array.from({ length: 20 }, (_, index) => ['-v', `/usr/share:/bind${index}`]).flat();
const NONE = ['run', '--rm', '--network', 'none'];

export const volumeRows: readonly Row[] = [
  {
    id: 'run-volume',
    title: 'docker run --rm --network none -v VOLUME:/data busybox true',
    unit: 'ms',
    runs: 15,
    limit: { ratio: 0.25 },
    measure: async target => (await docker(target, [...NONE, '-v', 'bench:/data', 'busybox', 'true'])).wallMs,
    restore: async target => {
      await docker(target, ['volume', 'rm', 'bench']);
    },
  },
  {
    id: 'run-binds',
    title: 'the same with 20 binds instead',
    unit: 'ms',
    runs: 15,
    limit: { ratio: 0.25 },
    measure: async target => (await docker(target, [...NONE, ...manyBinds, 'busybox', 'true'])).wallMs,
  },
  {
    id: 'copy-up',
    title: 'docker create that fills a volume with 100 MB in 2000 files',
    unit: 'ms',
    runs: 5,
    limit: { ratio: 1 },
    prepare: importTree,
    measure: async (target, run) => {
      const [name, volume] = [`bench-copy${run}`, `bench-copied${run}`];
      const command = ['create', '--name', name, '--network', 'none', '-v', `${volume}:/tree`, 'bench-tree', 'true'];
      const { wallMs } = await docker(target, command);
      await docker(target, ['rm', name]);
      await docker(target, ['volume', 'rm', volume]);
      return wallMs;
    },
    restore: async target => {
      await docker(target, ['rmi', 'bench-tree']);
    },
  },
];
