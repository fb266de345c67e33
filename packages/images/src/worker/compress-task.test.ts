import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { gzip } from './compress-task.ts';

const mebibyte = 1024 * 1024;

for (const length of [0, 1, mebibyte - 1, mebibyte, mebibyte + 1, 3 * mebibyte + 77]) {
  test(`gzip of ${length} bytes is read by zlib, and is the same whatever the pieces and however many share the work`, () => {
    const bytes = Buffer.concat([
      randomBytes(length >> 1),
      Buffer.alloc(length - (length >> 1), 'all layers are similar'),
    ]);
    let used = 0;
    const count = (n: number): void => {
      used += n;
    };
    const whole = Buffer.concat([...gzip([bytes], count)]);
    assert.ok(gunzipSync(whole).equals(bytes));
    assert.equal(used, length);
    const pieces = Array.from({ length: Math.ceil(length / 100_003) }, (_, i) =>
      bytes.subarray(i * 100_003, (i + 1) * 100_003),
    );
    assert.ok(Buffer.concat([...gzip(pieces, () => {})]).equals(whole));
    const shares = [0, 1, 2].map(index => [...gzip([bytes], () => {}, { index, of: 3 })]);
    const inTurns = Array.from({ length: 9 }, (_, turn) => shares[turn % 3]?.[Math.floor(turn / 3)] ?? Buffer.alloc(0));
    assert.ok(Buffer.concat(inTurns).equals(whole));
  });
}
