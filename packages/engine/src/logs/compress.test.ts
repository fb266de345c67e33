import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { lockFile } from '@gantry/linux';
import { compressRotated } from './compress.ts';
import { LogCompressor } from './compressor.ts';
import { readLogs } from './index.ts';

const scratch = mkdtempSync(join(tmpdir(), 'gantry-compress-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

const never = new AbortController().signal;
const line = (n: number): string =>
  `${JSON.stringify({ log: `${n} ${'x'.repeat(n % 90)}\n`, stream: 'stdout', time: `2026-11-20T20:00:00.${String(n).padStart(9, '0')}Z` })}\n`;
const lines = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, index) => line(from + index)).join('');

/** A folder with a log of 4000 lines in `path.3` ... `path.1` and `path`. */
function rotatedLog(): { directory: string; path: string; names: () => string[] } {
  const directory = mkdtempSync(join(scratch, 'c'));
  const path = join(directory, 'log');
  for (const [index, suffix] of ['.3', '.2', '.1', ''].entries()) {
    writeFileSync(path + suffix, lines(index * 1000, index * 1000 + 1000));
  }
  return { directory, path, names: () => readdirSync(directory).sort() };
}

/** Options of a reader of all lines. */
const EVERYTHING = {
  stdout: true,
  stderr: true,
  follow: false,
  timestamps: false,
  details: false,
  sinceNs: 0n,
  untilNs: 0n,
};

async function read(path: string, options: { tail?: number; since?: number; until?: number } = {}): Promise<number[]> {
  const at = (n: number | undefined): bigint =>
    n === undefined ? 0n : BigInt(Date.parse('2026-11-20T20:00:00Z')) * 1_000_000n + BigInt(n);
  const stream = readLogs(
    {
      path,
      tty: true,
      running: undefined,
      options: {
        stdout: true,
        stderr: true,
        follow: false,
        timestamps: false,
        details: false,
        tail: options.tail,
        sinceNs: at(options.since),
        untilNs: at(options.until),
      },
    },
    never,
  );
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts)
    .toString()
    .split('\n')
    .slice(0, -1)
    .map(text => Number(text.split(' ')[0]));
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index);

test('rotated files become gzip files that every tool reads, and the current one stays', async () => {
  const { path, names } = rotatedLog();
  assert.equal(await compressRotated(path, never), true);
  assert.deepEqual(names(), ['log', 'log.1.gz', 'log.2.gz', 'log.3.gz']);
  assert.equal(gunzipSync(readFileSync(`${path}.2.gz`)).toString(), lines(1000, 2000));
  assert.equal(execFileSync('gzip', ['-dc', `${path}.3.gz`]).toString(), lines(0, 1000));
  assert.equal(statSync(`${path}.1.gz`).mode & 0o777, 0o640);
  assert.ok(statSync(`${path}.1.gz`).size < 20_000);
});

test('a compressed log reads as it did before: whole, its tail, and between two times', async () => {
  const { path } = rotatedLog();
  await compressRotated(path, never);
  assert.deepEqual(await read(path), range(0, 4000));
  for (const tail of [1, 999, 1000, 1001, 1500, 2000, 2001, 3999, 4000, 9999]) {
    assert.deepEqual(await read(path, { tail }), range(Math.max(0, 4000 - tail), 4000), `tail ${tail}`);
  }
  assert.deepEqual(await read(path, { since: 500, until: 2500 }), range(500, 2501));
  assert.deepEqual(await read(path, { tail: 3200, until: 1000 }), range(800, 1001));
});

test('what is interrupted leaves the files as they were, and the next call does the rest', async () => {
  const { path, names } = rotatedLog();
  writeFileSync(`${path}.compressing`, 'what a killed daemon left');
  assert.deepEqual(await read(path), range(0, 4000));
  const gone = new AbortController();
  const work = compressRotated(path, gone.signal);
  gone.abort();
  assert.equal(await work.catch(() => false), false);
  assert.deepEqual(await read(path), range(0, 4000));
  assert.equal(await compressRotated(path, never), true);
  assert.deepEqual(names(), ['log', 'log.1.gz', 'log.2.gz', 'log.3.gz']);
  assert.deepEqual(await read(path), range(0, 4000));
});

test('a daemon that was killed between the two steps of an exchange leaves no line twice', async () => {
  const { path, names } = rotatedLog();
  const original = readFileSync(`${path}.2`);
  await compressRotated(path, never);
  writeFileSync(`${path}.2`, original);
  assert.deepEqual(await read(path), range(0, 4000));
  await compressRotated(path, never);
  assert.deepEqual(names(), ['log', 'log.1.gz', 'log.2.gz', 'log.3.gz']);
  assert.deepEqual(await read(path), range(0, 4000));
});

test('a file that moves on while it is compressed is exchanged where it is then', async () => {
  const { directory, path, names } = rotatedLog();
  rmSync(`${path}.2`);
  rmSync(`${path}.3`);
  const lock = openSync(directory, constants.O_RDONLY);
  assert.ok(lockFile(lock));
  const work = compressRotated(path, never);
  while (!existsSync(`${path}.compressing`)) await new Promise(resolve => setImmediate(resolve));
  // As a shim rotates.
  renameSync(`${path}.1`, `${path}.2`);
  renameSync(path, `${path}.1`);
  writeFileSync(path, lines(4000, 4001));
  closeSync(lock);
  assert.equal(await work, true);
  assert.deepEqual(names(), ['log', 'log.1.gz', 'log.2.gz']);
  assert.deepEqual(await read(path), range(2000, 4001));
});

test('a file that was rotated away meanwhile leaves nothing', async () => {
  const { directory, path, names } = rotatedLog();
  const lock = openSync(directory, constants.O_RDONLY);
  assert.ok(lockFile(lock));
  const work = compressRotated(path, never);
  while (!existsSync(`${path}.compressing`)) await new Promise(resolve => setImmediate(resolve));
  for (const index of [1, 2, 3]) rmSync(`${path}.${index}`);
  closeSync(lock);
  assert.equal(await work, false);
  assert.deepEqual(names(), ['log']);
});

test('a reader that follows meets no line twice when the file that it has read is compressed', async () => {
  const { path } = rotatedLog();
  let ended: () => void = () => {};
  const running = { ended: new Promise<void>(resolve => (ended = resolve)) };
  const options = {
    stdout: true,
    stderr: true,
    follow: true,
    timestamps: false,
    details: false,
    tail: 1,
    sinceNs: 0n,
    untilNs: 0n,
  };
  const iterator = readLogs({ path, tty: true, running, options }, never)[Symbol.asyncIterator]();
  assert.match(String((await iterator.next()).value), /^3999 /);
  for (const index of [3, 2, 1]) renameSync(`${path}.${index}`, `${path}.${index + 1}`);
  renameSync(path, `${path}.1`);
  writeFileSync(path, line(4000));
  await compressRotated(path, never);
  assert.match(String((await iterator.next()).value), /^4000 /);
  // Two rotations at once, all compressed before the reader looks.
  renameSync(`${path}.1.gz`, `${path}.2.gz`);
  renameSync(path, `${path}.1`);
  writeFileSync(path, line(4001));
  renameSync(`${path}.2.gz`, `${path}.3.gz`);
  renameSync(`${path}.1`, `${path}.2`);
  renameSync(path, `${path}.1`);
  await compressRotated(path, never);
  writeFileSync(path, line(4002));
  let text = '';
  while (!text.includes('4002 ')) text += String((await iterator.next()).value);
  assert.deepEqual(text.match(/^\d+/gm), ['4001', '4002']);
  ended();
  assert.equal((await iterator.next()).done, true);
});

test('a damaged compressed file costs its own lines only', async () => {
  const { path } = rotatedLog();
  await compressRotated(path, never);
  const bytes = readFileSync(`${path}.2.gz`);
  writeFileSync(`${path}.2.gz`, bytes.subarray(0, 100));
  const numbers = await read(path);
  assert.deepEqual(numbers.slice(0, 1000), range(0, 1000));
  assert.deepEqual(numbers.slice(-2000), range(2000, 4000));
});

test('many logs are compressed one after the other, and what was added meanwhile too', async () => {
  const logs = [rotatedLog(), rotatedLog(), rotatedLog()];
  const failures: unknown[] = [];
  await using compressor = new LogCompressor((_, error) => failures.push(error));
  for (const { path } of logs) compressor.add(path);
  compressor.add(join(scratch, 'nosuch', 'log'));
  await compressor.idle();
  for (const { names } of logs) assert.deepEqual(names(), ['log', 'log.1.gz', 'log.2.gz', 'log.3.gz']);
  writeFileSync(`${logs[0]?.path}.4`, 'x\n');
  compressor.add(logs[0]?.path ?? '');
  await compressor.idle();
  assert.ok(existsSync(`${logs[0]?.path}.4.gz`));
  assert.deepEqual(failures, []);
});

test('a reader that goes away in the middle of a compressed file harms nobody', async () => {
  const directory = mkdtempSync(join(scratch, 'c'));
  const path = join(directory, 'log');
  writeFileSync(`${path}.1`, lines(0, 100_000));
  writeFileSync(path, lines(100_000, 100_010));
  await compressRotated(path, never);
  const options = { ...EVERYTHING, tail: undefined };
  for (let round = 0; round < 20; round++) {
    const stream = readLogs({ path, tty: true, running: undefined, options }, never);
    const closed = new Promise<void>(resolve => stream.once('close', resolve));
    for (let chunk = 0; chunk <= round % 5; chunk++) await once(stream, 'data');
    stream.destroy();
    await closed;
  }
  assert.equal((await read(path)).length, 100_010);
  const open = readdirSync('/proc/self/fd').map(fd => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return '';
    }
  });
  assert.deepEqual(
    open.filter(name => name.startsWith(directory)),
    [],
  );
});
