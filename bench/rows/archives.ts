import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Row } from '../row.ts';
import { docker, execute, type Target } from '../target.ts';

const FILES = 4000;
const FILE_BYTES = 100_000;
const debianArchive = '/var/tmp/images/debian.tar';

/** A folder of the bench's own, made when it is first needed and removed with the process. */
let scratch: string | undefined;
function folder(): string {
  if (scratch === undefined) {
    const made = mkdtempSync(join(tmpdir(), 'gantry-bench-archives-'));
    process.once('exit', () => rmSync(made, { recursive: true, force: true }));
    scratch = made;
  }
  return scratch;
}

/** A tree of 400 MB: 4000 files of 100 kB. */
function tree(): string {
  const path = join(folder(), 'tree');
  if (existsSync(path)) return path;
  for (let file = 0; file < FILES; file++) {
    const directory = join(path, String(file % 40));
    if (file < 40) mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, String(file)), randomBytes(FILE_BYTES));
  }
  return path;
}

/** The image that is saved and loaded: Debian, one layer of 172 MB. */
async function importDebian(target: Target): Promise<void> {
  if (!existsSync(debianArchive)) throw new Error(`${debianArchive} is made by ../shared/peers/images`);
  await docker(target, ['import', debianArchive, 'bench-debian']);
}

/** The same archive for both engines, as the one that is measured first saves it. */
async function savedDebian(target: Target): Promise<string> {
  const path = join(folder(), 'saved.tar');
  if (existsSync(path)) return path;
  await importDebian(target);
  await docker(target, ['save', '-o', path, 'bench-debian']);
  return path;
}

const removeImage = (target: Target): Promise<unknown> =>
  execute('docker', ['-H', `unix://${target.socket}`, 'rmi', '-f', 'bench-debian']);

/** A container with the tree of 400 MB in `/tree`. */
async function createTree(target: Target): Promise<void> {
  await docker(target, ['create', '--name', 'bench-tree', 'busybox', 'true']);
  await docker(target, ['cp', '-q', tree(), 'bench-tree:/tree']);
  execFileSync('sync');
}

async function removeTree(target: Target): Promise<void> {
  await docker(target, ['rm', '-f', 'bench-tree']);
}

const treeRow = (id: string, title: string, measure: Row['measure']): Row => ({
  id,
  title,
  unit: 'ms',
  runs: 5,
  limit: { ratio: 0.7 },
  prepare: createTree,
  restore: removeTree,
  measure,
});

export const archiveRows: readonly Row[] = [
  {
    id: 'load',
    title: 'docker load of an archive of 172 MB',
    unit: 'ms',
    runs: 5,
    limit: { ratio: 0.4 },
    restore: async target => void (await removeImage(target)),
    async measure(target) {
      const archive = await savedDebian(target);
      await removeImage(target);
      execFileSync('sync');
      return (await docker(target, ['load', '-q', '-i', archive])).wallMs;
    },
  },
  {
    id: 'save',
    title: 'docker save of it',
    unit: 'ms',
    runs: 5,
    limit: { ratio: 0.6 },
    prepare: importDebian,
    restore: async target => void (await removeImage(target)),
    measure: async target =>
      (await docker(target, ['save', '-o', join(folder(), `${target.name}.tar`), 'bench-debian'])).wallMs,
  },
  treeRow('cp-in', 'docker cp of a tree of 400 MB into a container', async target => {
    const { wallMs } = await docker(target, ['cp', '-q', tree(), 'bench-tree:/again']);
    await removeTree(target);
    await createTree(target);
    return wallMs;
  }),
  treeRow('cp-out', 'docker cp of it out of the container', async target => {
    const copy = join(folder(), 'copy');
    const { wallMs } = await docker(target, ['cp', '-q', 'bench-tree:/tree', copy]);
    rmSync(copy, { recursive: true });
    return wallMs;
  }),
  treeRow(
    'export',
    'docker export of that container',
    async target => (await docker(target, ['export', '-o', join(folder(), 'exported.tar'), 'bench-tree'])).wallMs,
  ),
];
