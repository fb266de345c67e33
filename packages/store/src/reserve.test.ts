import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { DiskReserve } from './reserve.ts';

test('the reserve takes space once, gives it up once, and takes it again', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-reserve-'));
  try {
    const path = join(folder, 'reserve');
    using reserve = new DiskReserve(path);
    assert.equal(reserve.release(), false, 'there is nothing yet');
    await reserve.take();
    assert.equal(statSync(path).size, 4 * 1024 * 1024);
    assert.deepEqual(readdirSync(folder), ['reserve']);
    assert.equal(reserve.release(), true);
    assert.equal(reserve.release(), false);
    assert.deepEqual(readdirSync(folder), []);
    await reserve.take();
    assert.deepEqual(readdirSync(folder), ['reserve']);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a reserve that is closed takes nothing more', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-reserve-'));
  try {
    const reserve = new DiskReserve(join(folder, 'reserve'));
    reserve[Symbol.dispose]();
    await reserve.take();
    assert.deepEqual(readdirSync(folder), []);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
