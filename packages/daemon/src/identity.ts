import { randomUUID } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const top = resolve(import.meta.dirname, '../../..');

export type Build = { readonly version: string; readonly gitCommit: string; readonly buildTime: string };

/** Gantry's own version, and the commit that a checkout is at. */
export function readBuild(): Build {
  const { version } = JSON.parse(readFileSync(join(top, 'package.json'), 'utf8')) as { version: string };
  return { version, ...readCommit() };
}

function readCommit(): Omit<Build, 'version'> {
  try {
    const git = join(top, '.git');
    const head = readFileSync(join(git, 'HEAD'), 'utf8').trim();
    const ref = /^ref: (.*)$/.exec(head)?.[1];
    const file = ref === undefined ? join(git, 'HEAD') : join(git, ref);
    const commit = ref === undefined ? head : readFileSync(file, 'utf8').trim();
    return { gitCommit: commit.slice(0, 7), buildTime: statSync(file).mtime.toISOString() };
  } catch {
    // A published package, or a packed ref.
    return { gitCommit: 'unknown', buildTime: statSync(join(top, 'package.json')).mtime.toISOString() };
  }
}

/** The id of a data root: made once, shown by `info`. */
export function engineId(dataRoot: string): string {
  const path = join(dataRoot, 'engine-id');
  try {
    const known = readFileSync(path, 'utf8').trim();
    if (known !== '') return known;
  } catch {
    // The first start.
  }
  const id = randomUUID();
  writeFileSync(path, id, { mode: 0o600 });
  return id;
}
