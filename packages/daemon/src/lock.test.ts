import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { lockDirectory, writePidFile } from './lock.ts';

test('a directory is one daemon’s at a time', () => {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-lock-'));
  try {
    const first = lockDirectory(directory, 'data-root');
    assert.throws(() => lockDirectory(directory, 'data-root'), {
      message: `${directory} is in use by another Gantry daemon (process ${process.pid})`,
      hint: 'stop that daemon, or choose another directory by --data-root',
    });
    first[Symbol.dispose]();
    lockDirectory(directory, 'data-root')[Symbol.dispose]();
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('a pid file that nobody owns any more is replaced, and removed at the end', () => {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-lock-'));
  try {
    const path = join(directory, 'gantry.pid');
    // A pid beyond the largest one, and one whose process is no daemon.
    for (const stale of ['4194305', '1', 'garbage']) {
      writeFileSync(path, stale);
      const file = writePidFile(path);
      assert.equal(readFileSync(path, 'utf8'), `${process.pid}\n`);
      file[Symbol.dispose]();
      assert.equal(existsSync(path), false);
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
});
