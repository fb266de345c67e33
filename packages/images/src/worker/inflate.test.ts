import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { Inflate } from './inflate.ts';

/** Half of it compresses, half does not. */
const content = Buffer.concat([randomBytes(900_000), Buffer.alloc(2_000_000, 'words '), randomBytes(100)]);

function inflate(compression: 'gzip' | 'zstd', bytes: Buffer, pieceBytes: number): Buffer {
  using opened = Inflate.open(compression) ?? assert.fail('this Node has no handle below its streams');
  const parts: Buffer[] = [];
  const use = (part: Buffer): void => void parts.push(Buffer.from(part));
  for (let at = 0; at < bytes.length; at += pieceBytes) opened.push(bytes.subarray(at, at + pieceBytes), use);
  opened.finish(use);
  return Buffer.concat(parts);
}

for (const [compression, compress] of [
  ['gzip', gzipSync],
  ['zstd', zstdCompressSync],
] as const) {
  describe(`decompressing ${compression} in this thread`, () => {
    const compressed = compress(content);

    test('gives the bytes back, whatever the pieces', () => {
      for (const piece of [compressed.length, 65_536, 1000]) {
        assert.ok(inflate(compression, compressed, piece).equals(content), `pieces of ${piece}`);
      }
      assert.equal(inflate(compression, compress(Buffer.alloc(0)), 7).length, 0);
    });

    test('takes several members one after the other', () => {
      const two = Buffer.concat([compressed, compress(Buffer.from('second'))]);
      assert.ok(inflate(compression, two, 65_536).equals(Buffer.concat([content, Buffer.from('second')])));
    });

    test('says when the data is broken or cut off', () => {
      const broken = Buffer.from(compressed);
      for (let i = 0; i < 20; i++) broken[i] = 0xff;
      assert.throws(() => inflate(compression, broken, 4096), { name: 'InflateError' });
      assert.throws(() => inflate(compression, compressed.subarray(0, compressed.length - 9), 4096), {
        code: compression === 'gzip' ? 'Z_BUF_ERROR' : /^ZSTD_|Z_BUF_ERROR/,
      });
    });
  });
}
