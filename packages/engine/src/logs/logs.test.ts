import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readdirSync, readlinkSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { after, test } from 'node:test';
import type { LogsOptions } from '../engine.ts';
import { readLogs } from './index.ts';

const scratch = mkdtempSync(join(tmpdir(), 'gantry-logs-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

let files = 0;
const newPath = (): string => join(mkdtempSync(join(scratch, 'c')), `${++files}-json.log`);

type Line = { log: string; stream?: string; time?: string; attrs?: Record<string, string> };

const TIME = '2026-11-20T20:00:00.123456789Z';
const json = ({ log, stream = 'stdout', time = TIME, attrs }: Line): string =>
  `${JSON.stringify({ log, stream, ...(attrs ? { attrs } : {}), time })}\n`;

const ALL: LogsOptions = {
  stdout: true,
  stderr: true,
  follow: false,
  sinceNs: 0n,
  untilNs: 0n,
  timestamps: false,
  details: false,
  tail: undefined,
};

const ns = (time: string): bigint => BigInt(Date.parse(time)) * 1_000_000n;

async function collect(stream: Readable): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

function frames(bytes: Buffer): [stream: number, text: string][] {
  const found: [number, string][] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at + 4);
    found.push([bytes[at] ?? 0, bytes.toString('utf8', at + 8, at + 8 + length)]);
    at += 8 + length;
  }
  return found;
}

async function logs(content: string | Line[], options: Partial<LogsOptions> = {}, tty = false): Promise<Buffer> {
  const path = newPath();
  writeFileSync(path, typeof content === 'string' ? content : content.map(json).join(''));
  const input = { path, tty, running: undefined, options: { ...ALL, ...options } };
  return collect(readLogs(input, new AbortController().signal));
}

test('each line of a log is one frame of its stream', async () => {
  const read = await logs([{ log: 'one\n' }, { log: 'two\n', stream: 'stderr' }, { log: 'no newline' }, { log: '\n' }]);
  assert.deepEqual(frames(read), [
    [1, 'one\n'],
    [2, 'two\n'],
    [1, 'no newline'],
    [1, '\n'],
  ]);
});

test('the output of a terminal has no frames', async () => {
  assert.equal(String(await logs([{ log: 'a\r\n' }, { log: 'b' }], {}, true)), 'a\r\nb');
});

test('every escape of JSON comes back as what it stands for', async () => {
  const text = 'q" b\\ s/ t\t r\r bs\b ff\f nul\u0000 <&> é \u2028 😀 mid\nend\n';
  assert.deepEqual(frames(await logs([{ log: text }])), [[1, text]]);
  const escaped = String.raw`{"log":"\u003c\u0026\u003e \ud83d\ude00 \ud83d \/\n","stream":"stdout","time":"${TIME}"}`;
  assert.deepEqual(frames(await logs(`${escaped}\n`)), [[1, '<&> 😀 \ufffd /\n']]);
});

test('only the wanted streams are read', async () => {
  const lines = [{ log: 'o\n' }, { log: 'e\n', stream: 'stderr' }];
  assert.deepEqual(frames(await logs(lines, { stdout: false })), [[2, 'e\n']]);
  assert.deepEqual(frames(await logs(lines, { stderr: false })), [[1, 'o\n']]);
});

test('timestamps have nine digits whatever the file has', async () => {
  const lines = [
    { log: 'a\n', time: '2026-11-20T20:00:00Z' },
    { log: 'b\n', time: '2026-11-20T20:00:00.5Z' },
    { log: 'c\n', time: TIME },
  ];
  assert.deepEqual(
    frames(await logs(lines, { timestamps: true })).map(([, text]) => text),
    ['2026-11-20T20:00:00.000000000Z a\n', '2026-11-20T20:00:00.500000000Z b\n', '2026-11-20T20:00:00.123456789Z c\n'],
  );
});

test('details are the sorted attributes, encoded, and a blank where there are none', async () => {
  const lines = [{ log: 'x\n', attrs: { b: '2 &', a: '1' } }, { log: 'y\n' }];
  assert.deepEqual(
    frames(await logs(lines, { details: true })).map(([, text]) => text),
    ['a=1,b=2+%26 x\n', ' y\n'],
  );
  assert.deepEqual(frames(await logs(lines)).length, 2);
});

test('since and until bound the time, both included', async () => {
  const lines = ['00', '01', '02', '03'].map(second => ({ log: `${second}\n`, time: `2026-11-20T20:00:${second}Z` }));
  const read = await logs(lines, { sinceNs: ns('2026-11-20T20:00:01Z'), untilNs: ns('2026-11-20T20:00:02Z') });
  assert.deepEqual(
    frames(read).map(([, text]) => text),
    ['01\n', '02\n'],
  );
});

test('lines that are no JSON, or cut off, are left out', async () => {
  const good = json({ log: 'good\n' });
  const read = await logs(`garbage\n{"log":"half\n${good}{"log":1}\n\n${good}{"log":"cut","stream":"std`);
  assert.deepEqual(
    frames(read).map(([, text]) => text),
    ['good\n', 'good\n'],
  );
});

test('the tail is counted over rotated files', async () => {
  const path = newPath();
  const line = (n: number): string => json({ log: `${n}\n` });
  writeFileSync(`${path}.2`, line(1) + line(2));
  writeFileSync(`${path}.1`, line(3) + line(4));
  writeFileSync(path, line(5));
  const read = async (tail: number | undefined): Promise<string> => {
    const input = { path, tty: true, running: undefined, options: { ...ALL, tail } };
    return (await collect(readLogs(input, new AbortController().signal))).toString().replaceAll('\n', ' ').trim();
  };
  assert.equal(await read(undefined), '1 2 3 4 5');
  assert.equal(await read(0), '');
  assert.equal(await read(1), '5');
  assert.equal(await read(2), '4 5');
  assert.equal(await read(3), '3 4 5');
  assert.equal(await read(4), '2 3 4 5');
  assert.equal(await read(99), '1 2 3 4 5');
});

test('a tail of many lines is found over many blocks', async () => {
  const lines = Array.from({ length: 5000 }, (_, n) => ({ log: `${n} ${'x'.repeat(50)}\n` }));
  const read = frames(await logs(lines, { tail: 3210 }));
  assert.equal(read.length, 3210);
  assert.ok(read[0]?.[1].startsWith('1790 '));
});

test('a log that is longer than a buffer comes whole', async () => {
  const lines = Array.from({ length: 20000 }, (_, n) => ({
    log: `${n} ${'y'.repeat(n % 200)}\n`,
    stream: n % 7 === 0 ? 'stderr' : 'stdout',
  }));
  lines.splice(500, 0, { log: `${'z'.repeat(700_000)}\n`, stream: 'stdout' });
  const read = frames(await logs(lines));
  assert.equal(read.map(([, text]) => text).join(''), lines.map(({ log }) => log).join(''));
  const errors = read.filter(([stream]) => stream === 2).map(([, text]) => text);
  assert.equal(errors.join(''), lines.flatMap(({ log, stream }) => (stream === 'stderr' ? [log] : [])).join(''));
});

test('half a line at the end of a file is no line of its tail', async () => {
  const content = `${json({ log: 'one\n' })}${json({ log: 'two\n' })}{"log":"half`;
  assert.deepEqual(frames(await logs(content, { tail: 1 })), [[1, 'two\n']]);
  assert.deepEqual(frames(await logs('{"log":"half', { tail: 1 })), []);
});

test('a log that was begun and is not there is an error in the stream', async () => {
  const path = newPath();
  const text = `Error grabbing logs: open ${path}: no such file or directory\n`;
  const input = { path, begun: true, running: undefined, options: ALL };
  assert.deepEqual(frames(await collect(readLogs({ ...input, tty: false }, new AbortController().signal))), [
    [3, text],
  ]);
  assert.equal(String(await collect(readLogs({ ...input, tty: true }, new AbortController().signal))), text);
});

test('a log that does not exist is empty', async () => {
  const input = { path: newPath(), tty: false, running: undefined, options: ALL };
  assert.equal((await collect(readLogs(input, new AbortController().signal))).length, 0);
});

test('following goes through rotations without loss and ends with the container', async () => {
  const path = newPath();
  let ended: () => void = () => {};
  const running = {
    ended: new Promise<void>(resolve => {
      ended = resolve;
    }),
  };
  const line = (n: number): string => json({ log: `${n}\n` });
  writeFileSync(path, line(0) + line(1));
  const input = { path, tty: true, running, options: { ...ALL, follow: true, tail: 1 } };
  const stream = readLogs(input, new AbortController().signal);
  const iterator = stream[Symbol.asyncIterator]();
  assert.equal(String((await iterator.next()).value), '1\n');
  appendFileSync(path, line(2));
  assert.equal(String((await iterator.next()).value), '2\n');
  appendFileSync(path, line(3));
  renameSync(path, `${path}.1`);
  writeFileSync(path, line(4));
  renameSync(`${path}.1`, `${path}.2`);
  renameSync(path, `${path}.1`);
  writeFileSync(path, line(5));
  let text = '';
  while (!text.includes('5\n')) text += String((await iterator.next()).value);
  assert.equal(text, '3\n4\n5\n');
  appendFileSync(path, line(6));
  ended();
  let rest = '';
  for (let next = await iterator.next(); !next.done; next = await iterator.next()) rest += String(next.value);
  assert.equal(rest, '6\n');
});

test('following waits for a log that is not there yet, and ends when the client goes away', async () => {
  const path = newPath();
  const abort = new AbortController();
  const input = { path, tty: true, running: { ended: new Promise<void>(() => {}) }, options: { ...ALL, follow: true } };
  const iterator = readLogs(input, abort.signal)[Symbol.asyncIterator]();
  const first = iterator.next();
  writeFileSync(path, json({ log: 'late\n' }));
  assert.equal(String((await first).value), 'late\n');
  const second = iterator.next();
  abort.abort();
  assert.equal((await second).done, true);
});

test('a reader that is destroyed while it waits lets go of the file', async () => {
  const path = newPath();
  writeFileSync(path, json({ log: 'x\n' }));
  const input = { path, tty: true, running: { ended: new Promise<void>(() => {}) }, options: { ...ALL, follow: true } };
  const stream = readLogs(input, new AbortController().signal);
  const closed = new Promise<void>(resolve => stream.once('close', resolve));
  stream.once('data', () => setImmediate(() => stream.destroy()));
  await closed;
  const held = readdirSync('/proc/self/fd').map(fd => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return '';
    }
  });
  assert.ok(!held.includes(path));
});
