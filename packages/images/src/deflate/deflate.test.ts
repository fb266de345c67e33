import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { constants, deflateRawSync, gunzipSync, gzipSync } from 'node:zlib';
import { isGantryError } from '@gantry/errors';
import { type Random, randomOf } from '../fuzz/random.ts';
import { analyseGzip } from './analyse.ts';
import { OddStream } from './code.ts';
import { DeflateRecordReader, DeflateRecordWriter, markKeptWhole } from './record.ts';
import { reflate } from './reflate.ts';

const scratch = mkdtempSync(join(tmpdir(), 'gantry-deflate-'));
const record = join(scratch, 'record');
after(() => rmSync(scratch, { recursive: true }));

/** Describes a blob; returns the bytes that the record takes. */
function describeBlob(blob: Buffer): number {
  const path = join(scratch, 'blob');
  writeFileSync(path, blob);
  const fd = openSync(path, 'r');
  try {
    using writer = new DeflateRecordWriter(record);
    for (const _ of analyseGzip(fd, writer));
    writer.finish();
  } finally {
    closeSync(fd);
  }
  return statSync(record).size;
}

/** The blob that the record and `contents`, given in pieces of `step` bytes, make. */
function madeAgain(contents: Buffer, step = 100_000): Buffer {
  using reader = new DeflateRecordReader(record);
  const pieces = function* (): Generator<Buffer> {
    for (let at = 0; at < contents.length; at += step) yield contents.subarray(at, at + step);
  };
  const made: Buffer[] = [];
  for (const bytes of reflate(reader, pieces())) made.push(Buffer.from(bytes));
  return Buffer.concat(made);
}

function assertRoundTrip(blob: Buffer, step?: number): number {
  const size = describeBlob(blob);
  assert.ok(madeAgain(gunzipSync(blob), step).equals(blob), 'the very same blob');
  return size;
}

const words = Array.from({ length: 3000 }, (_, i) => `word${(i * 7919) % 3001}`);

/** Text that repeats itself near and far, with noise in it. */
function contents(random: Random, size: number): Buffer {
  const parts: Buffer[] = [];
  let length = 0;
  while (length < size) {
    const kind = random.below(8);
    const part =
      kind === 0
        ? Buffer.from(Array.from({ length: 1 + random.below(3000) }, () => random.below(256)))
        : kind === 1
          ? Buffer.alloc(1 + random.below(50_000), random.below(256))
          : kind === 2 && parts.length > 0
            ? random.pick(parts)
            : Buffer.from(Array.from({ length: 1 + random.below(2000) }, () => random.pick(words)).join(' '));
    parts.push(part);
    length += part.length;
  }
  return Buffer.concat(parts, size);
}

const member = (raw: Buffer, data: Buffer): Buffer => {
  const whole = gzipSync(data);
  return Buffer.concat([whole.subarray(0, 10), raw, whole.subarray(-8)]);
};

describe('deflate records', () => {
  for (const level of [1, 2, 3, 4, 5, 6, 7, 8, 9]) {
    test(`what zlib makes at level ${level} comes back from a small part of it`, () => {
      const data = contents(randomOf(level), 3_000_000);
      const blob = gzipSync(data, { level });
      const size = assertRoundTrip(blob);
      assert.ok(size < blob.length / 2, `${size} of ${blob.length}`);
    });
  }

  test('stored blocks, fixed codes, flushes, and every strategy come back', () => {
    const random = randomOf(11);
    const data = contents(random, 400_000);
    const noise = randomBytes(300_000);
    assertRoundTrip(gzipSync(noise));
    assertRoundTrip(gzipSync(data, { level: 0 }));
    for (const strategy of [constants.Z_FILTERED, constants.Z_HUFFMAN_ONLY, constants.Z_RLE, constants.Z_FIXED]) {
      for (const memLevel of [1, 5, 9]) assertRoundTrip(gzipSync(data, { strategy, memLevel }));
    }
    for (const windowBits of [9, 12, 15]) assertRoundTrip(gzipSync(data, { windowBits }));
    for (const finishFlush of [constants.Z_SYNC_FLUSH, constants.Z_FULL_FLUSH]) {
      const parts = [data.subarray(0, 1000), data.subarray(1000, 150_000)];
      const raw = [...parts.map(part => deflateRawSync(part, { finishFlush })), deflateRawSync(data.subarray(150_000))];
      assertRoundTrip(member(Buffer.concat(raw), data));
    }
  });

  test('an empty blob, one of a byte, and several members one behind the other come back', () => {
    const blobs = [Buffer.alloc(0), Buffer.from('x'), contents(randomOf(3), 50_000)].map(data => gzipSync(data));
    for (const blob of blobs) assertRoundTrip(blob);
    assertRoundTrip(Buffer.concat([...blobs, ...blobs]));
  });

  test('a header with a name, a comment, more fields and a checksum comes back', () => {
    const plain = gzipSync('contents');
    const fields = Buffer.concat([
      Buffer.of(5, 0),
      Buffer.from('extra'),
      Buffer.from('name\0comment\0'),
      Buffer.of(1, 2),
    ]);
    const header = Buffer.from(plain.subarray(0, 10));
    header[3] = 2 | 4 | 8 | 16;
    const blob = Buffer.concat([header, fields, plain.subarray(10)]);
    describeBlob(blob);
    assert.ok(madeAgain(Buffer.from('contents')).equals(blob));
  });

  test('pieces of any size do', () => {
    const blob = gzipSync(contents(randomOf(5), 200_000));
    for (const step of [1, 7, 4096, 65_536]) assertRoundTrip(blob, step);
  });

  test('what is long passes through a window that moves', () => {
    const blob = gzipSync(contents(randomOf(6), 9_000_000), { level: 1 });
    assertRoundTrip(blob);
  });

  test('a blob that is no gzip, cut off, followed by something, or hostile is refused', () => {
    const blob = gzipSync(contents(randomOf(8), 100_000));
    for (const odd of [
      Buffer.alloc(0),
      Buffer.from('plain text that is long enough for a header'),
      blob.subarray(0, blob.length / 2),
      blob.subarray(0, -1),
      Buffer.concat([blob, Buffer.alloc(20)]),
      member(Buffer.of(7), Buffer.alloc(0)),
    ]) {
      assert.throws(() => describeBlob(odd), OddStream);
    }
  });

  test('other contents give another blob, or are refused', () => {
    const data = contents(randomOf(9), 300_000);
    const blob = gzipSync(data);
    describeBlob(blob);
    const changed = Buffer.from(data);
    changed[150_000] = (changed[150_000] ?? 0) ^ 1;
    for (const other of [changed, data.subarray(0, -1), Buffer.concat([data, data]), Buffer.alloc(0)]) {
      let made: Buffer | undefined;
      try {
        made = madeAgain(other);
      } catch (error) {
        assert.ok(isGantryError(error, 'system'), String(error));
      }
      // What is behind the end is left to the layer's own digest.
      assert.ok(other.length > data.length || !made?.equals(blob));
    }
  });

  test('a record that is cut off, changed or marked as none is refused or gives another blob', () => {
    const data = contents(randomOf(10), 200_000);
    const blob = gzipSync(data);
    describeBlob(blob);
    const whole = readFileSync(record);
    for (let seed = 1; seed <= 60; seed++) {
      const random = randomOf(seed);
      const damaged = Buffer.from(random.below(4) === 0 ? whole.subarray(0, random.below(whole.length)) : whole);
      if (damaged.length === whole.length) {
        const at = random.below(whole.length);
        damaged[at] = (damaged[at] ?? 0) ^ (1 << random.below(8));
      }
      writeFileSync(record, damaged);
      try {
        assert.ok(!madeAgain(data).equals(blob) || damaged.equals(whole), `seed ${seed}`);
      } catch (error) {
        if (!isGantryError(error, 'system') && !(error instanceof OddStream)) throw error;
      }
    }
    markKeptWhole(record);
    assert.throws(() => madeAgain(data), /damaged/);
  });
});
