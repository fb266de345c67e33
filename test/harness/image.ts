import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import type { TestDaemon } from './daemon.ts';

const busybox = '/usr/bin/busybox';
let archive: string | undefined;

/** Lays out a root file system with busybox and its links. Its file is the host's static busybox of Debian's package. */
function layOutBusybox(root: string): void {
  if (!existsSync(busybox)) throw new Error('no /usr/bin/busybox: apt-get install busybox-static');
  for (const directory of ['bin', 'etc', 'proc', 'sys', 'dev', 'root', 'var', 'tmp']) mkdirSync(join(root, directory));
  execFileSync('chmod', ['1777', join(root, 'tmp')]);
  copyFileSync(busybox, join(root, 'bin/busybox'));
  for (const applet of execFileSync(busybox, ['--list'], { encoding: 'utf8' }).split('\n')) {
    if (applet && applet !== 'busybox') symlinkSync('busybox', join(root, 'bin', applet));
  }
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n');
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\nnogroup:x:65534:\naudio:x:29:nobody\n');
}

/** Path of a tar of busybox's root file system, made once a test process. */
export function busyboxArchive(): string {
  if (archive === undefined) {
    const shared = join(tmpdir(), `gantry-busybox-${process.getuid?.()}.tar`);
    if (!existsSync(shared)) {
      const scratch = mkdtempSync(join(tmpdir(), 'gantry-image-'));
      mkdirSync(join(scratch, 'root'));
      layOutBusybox(join(scratch, 'root'));
      execFileSync('tar', ['-C', join(scratch, 'root'), '-cf', join(scratch, 'tar'), '.']);
      renameSync(join(scratch, 'tar'), shared);
      rmSync(scratch, { recursive: true });
    }
    archive = shared;
  }
  return archive;
}

export type Tree = {
  /** Path to link text; replaces what busybox has there. */
  readonly links?: Readonly<Record<string, string>>;
  readonly directories?: readonly string[];
  /** Path to content; executable when it starts with `#!`. */
  readonly files?: Readonly<Record<string, string>>;
  /** Path to C source beside this file, compiled to a static program, or taken from the folder GANTRY_TEST_PROGRAMS. */
  readonly programs?: Readonly<Record<string, string>>;
  /** Dockerfile instructions for `docker import --change`. */
  readonly changes?: readonly string[];
};

/** Imports busybox with a tree on top of it as an image. */
export async function importTree(daemon: TestDaemon, name: string, tree: Tree): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'gantry-image-'));
  try {
    const root = join(scratch, 'root');
    mkdirSync(root);
    layOutBusybox(root);
    for (const directory of tree.directories ?? []) mkdirSync(join(root, directory), { recursive: true });
    for (const [path, text] of Object.entries(tree.files ?? {})) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text, { mode: text.startsWith('#!') ? 0o755 : 0o644 });
    }
    for (const [path, source] of Object.entries(tree.programs ?? {})) {
      const compiled =
        process.env.GANTRY_TEST_PROGRAMS && join(process.env.GANTRY_TEST_PROGRAMS, basename(source, '.c'));
      if (compiled) copyFileSync(compiled, join(root, path));
      else execFileSync('cc', ['-static', '-O1', '-o', join(root, path), join(import.meta.dirname, source)]);
    }
    for (const [path, target] of Object.entries(tree.links ?? {})) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      rmSync(join(root, path), { recursive: true, force: true });
      symlinkSync(target, join(root, path));
    }
    execFileSync('tar', ['-C', root, '-cf', join(scratch, 'tar'), '.']);
    const changes = (tree.changes ?? []).flatMap(change => ['--change', change]);
    const imported = await daemon.docker('import', ...changes, join(scratch, 'tar'), name);
    if (imported.code !== 0) throw new Error(`import of ${name}: ${imported.stderr}`);
  } finally {
    rmSync(scratch, { recursive: true });
  }
}
