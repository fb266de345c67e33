/** The log file in the shim's hands: rotation beside compression, and logs that may not block the container. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdirSync, openSync, readdirSync, readFileSync, readSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { lockFile } from '@gantry/linux';
import type { LogTarget, Shim } from '../launch.ts';
import { Bench, Client, needsRoot } from './container.fixture.ts';

type Options = Omit<Extract<LogTarget, { driver: 'json-file' }>, 'driver' | 'path' | 'compress'> & { compress?: true };

const logAt = (path: string, options: Options): LogTarget => ({
  driver: 'json-file',
  path,
  compress: false,
  ...options,
});

const linesOf = (text: string): string[] =>
  text
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line).log.trimEnd());

const count = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, n) => String(from + n));

/** A log that takes 64 KiB and then nothing, until it is read. */
class StuckLog implements Disposable {
  readonly path: string;
  readonly #fd: number;

  constructor(bench: Bench) {
    this.path = join(bench.directory, 'stuck.log');
    execFileSync('mkfifo', [this.path]);
    this.#fd = openSync(this.path, constants.O_RDWR | constants.O_NONBLOCK);
  }

  /** Reads until there is nothing more and `done` says so of all that came. */
  async read(done: (text: string) => boolean): Promise<string> {
    const buffer = Buffer.alloc(1 << 20);
    for (let text = ''; ; ) {
      const last = done(text);
      try {
        text += buffer.toString('utf8', 0, readSync(this.#fd, buffer));
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error;
        if (last) return text;
        await delay(5);
      }
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

/** Writes lines with the numbers of [0, count) and says so on standard error. */
const counting = (lines: number): string => `seq 0 ${lines - 1}; echo all written >&2`;

/** Launches a script beside a client that reads all it says, and waits until the shim has dealt with that. */
async function written(bench: Bench, lines: number, log: LogTarget, then = ''): Promise<Shim> {
  const client = new Client({ stdin: false });
  const shim = await bench.launch(counting(lines) + then, { log, attachments: [client.attachment] });
  await Promise.all([client.reads('all written'), client.reads(`\n${lines - 1}\n`)]);
  await settled(shim);
  return shim;
}

/** Its answer comes after what it did before; that the process has ended is one, too. */
const settled = (shim: Shim): Promise<void> => shim.signal('init', 0).catch(() => {});

const writersOf = (shim: Shim): number[] =>
  readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)
    .filter(pid => {
      try {
        const status = readFileSync(`/proc/${pid}/status`, 'utf8');
        return status.startsWith('Name:\tgantry-log\n') && status.includes(`\nPPid:\t${shim.shimPid}\n`);
      } catch {
        return false;
      }
    });

test(
  'a container never waits for a non-blocking log that is stuck; what has no room is lost and counted',
  needsRoot,
  async () => {
    await using bench = new Bench();
    using stuck = new StuckLog(bench);
    const shim = await written(
      bench,
      100_000,
      logAt(stuck.path, { maxSizeBytes: 0, maxFiles: 1, bufferBytes: 100_000 }),
    );
    // The container has ended: only its log is waited for.
    let ended = false;
    void shim.exited.then(() => {
      ended = true;
    });
    const text = await stuck.read(() => ended);
    assert.equal((await shim.exited).code, 0);
    const lines = linesOf(text).filter(line => line !== 'all written');
    assert.ok(lines.length > 1000 && lines.length < 10_000, `${lines.length} lines`);
    const kept = new Set(lines);
    assert.deepEqual(
      lines,
      count(0, 100_000).filter(line => kept.has(line)),
      'in order, each once',
    );
    const lost = 100_001 - linesOf(text).length;
    assert.equal(shim.log.lostLines, lost);
  },
);

test('a blocking log makes the container wait, and loses nothing', needsRoot, async () => {
  await using bench = new Bench();
  using stuck = new StuckLog(bench);
  const client = new Client({ stdin: false, stdout: false });
  const log = logAt(stuck.path, { maxSizeBytes: 0, maxFiles: 1 });
  const shim = await bench.launch(counting(20_000), { log, attachments: [client.attachment] });
  const text = await stuck.read(text => text.includes('"log":"19999') && text.includes('all written'));
  assert.equal((await shim.exited).code, 0);
  assert.deepEqual(
    linesOf(text).filter(line => line !== 'all written'),
    count(0, 20_000),
  );
  assert.equal(shim.log.lostLines, 0);
});

test(
  'a non-blocking log that keeps up loses nothing, rotates, and gives every line to a buffer of no size',
  needsRoot,
  async () => {
    await using bench = new Bench();
    const script = 'i=0; while [ $i -lt 3000 ]; do echo $i; i=$((i+1)); done';
    for (const [name, bufferBytes] of [['roomy', 1_000_000]] as const) {
      const path = join(bench.directory, name);
      await (await bench.launch(script, { log: logAt(path, { maxSizeBytes: 100_000, maxFiles: 3, bufferBytes }) }))
        .exited;
      const lines = [`${path}.2`, `${path}.1`, path].flatMap(file => linesOf(readFileSync(file, 'utf8')));
      assert.deepEqual(lines, count(3000 - lines.length, 3000));
      assert.ok(lines.length > 2000);
    }
    // As dockerd: a line is taken whenever the buffer is empty, however long it is.
    const path = join(bench.directory, 'none');
    const long = `head -c 10000 /dev/zero | tr '\\0' x; echo`;
    await (await bench.launch(long, { log: logAt(path, { maxSizeBytes: 0, maxFiles: 1, bufferBytes: 0 }) })).exited;
    assert.deepEqual(
      linesOf(readFileSync(path, 'utf8')).map(line => line.length),
      [10_000],
    );
  },
);

test('a writer that is killed is followed by another', needsRoot, async () => {
  await using bench = new Bench();
  const path = join(bench.directory, 'log');
  const client = new Client();
  const shim = await bench.launch('while read line; do echo "$line"; done', {
    log: logAt(path, { maxSizeBytes: 0, maxFiles: 1, bufferBytes: 1_000_000 }),
    stdio: { tty: false, openStdin: true, stdinOnce: true },
    attachments: [client.attachment],
  });
  client.socket.write('one\n');
  await client.reads('one');
  const [writer] = writersOf(shim);
  assert.ok(writer);
  while (!readFileSync(path, 'utf8').includes('one')) await delay(5);
  process.kill(writer, 'SIGKILL');
  while (writersOf(shim).includes(writer) && !readFileSync(`/proc/${writer}/stat`, 'utf8').includes(') Z '))
    await delay(5);
  client.socket.write('two\n');
  client.socket.end('three\n');
  await shim.exited;
  assert.deepEqual(linesOf(readFileSync(path, 'utf8')), ['one', 'two', 'three']);
});

test('what waits for a slow disk is written when the shim is killed', needsRoot, async () => {
  await using bench = new Bench();
  using stuck = new StuckLog(bench);
  const log = logAt(stuck.path, { maxSizeBytes: 0, maxFiles: 1, bufferBytes: 1 << 20 });
  const shim = await written(bench, 3000, log, '; sleep 100');
  process.kill(shim.shimPid, 'SIGKILL');
  await shim.lost;
  process.kill(shim.pid, 'SIGKILL');
  const text = await stuck.read(
    text => text.includes('"log":"2999') && text.includes('all written') && text.endsWith('\n'),
  );
  assert.deepEqual(
    linesOf(text).filter(line => line !== 'all written'),
    count(0, 3000),
  );
});

test('the end of a container waits ten seconds for its log and no longer', needsRoot, async () => {
  await using bench = new Bench();
  using stuck = new StuckLog(bench);
  const log = logAt(stuck.path, { maxSizeBytes: 0, maxFiles: 1, bufferBytes: 1 << 20 });
  const before = performance.now();
  const shim = await written(bench, 10_000, log);
  await shim.exited;
  const seconds = (performance.now() - before) / 1000;
  assert.ok(seconds >= 10 && seconds < 20, `${seconds} s`);
});

test(
  'compressed files keep their place in a rotation, and an exchange under the lock is not disturbed',
  needsRoot,
  async () => {
    await using bench = new Bench();
    const directory = join(bench.directory, 'logs');
    mkdirSync(directory);
    const path = join(directory, 'log');
    writeFileSync(`${path}.1.gz`, 'newer');
    writeFileSync(`${path}.2.gz`, 'older');
    const client = new Client({ multiplexed: false });
    const shim = await bench.launch('while read n; do seq 1 $n; echo done; done', {
      log: logAt(path, { maxSizeBytes: 1000, maxFiles: 4, compress: true }),
      stdio: { tty: false, openStdin: true, stdinOnce: true },
      attachments: [client.attachment],
    });
    const news = new Promise<number>(resolve => shim.onLogNews(({ rotations }) => resolve(rotations)));
    const lock = openSync(directory, constants.O_RDONLY);
    assert.ok(lockFile(lock));
    client.socket.write('100\n');
    await client.reads('100\ndone');
    await settled(shim);
    assert.deepEqual(readdirSync(directory).sort(), ['log', 'log.1.gz', 'log.2.gz']);
    closeSync(lock);
    client.socket.write('1\n');
    await client.reads('1\ndone');
    await settled(shim);
    assert.equal(await news, 1);
    assert.deepEqual(readdirSync(directory).sort(), ['log', 'log.1', 'log.2.gz', 'log.3.gz']);
    assert.equal(readFileSync(`${path}.2.gz`, 'utf8'), 'newer');
    assert.equal(linesOf(readFileSync(`${path}.1`, 'utf8')).length, 101);
    // The number of files holds, whichever form the oldest has.
    client.socket.end('100\n');
    await shim.exited;
    assert.deepEqual(readdirSync(directory).sort(), ['log', 'log.1', 'log.2', 'log.3']);
    assert.equal(shim.log.rotations > 3, true);
  },
);

test('a raw log keeps bytes that are no UTF-8', needsRoot, async () => {
  await using bench = new Bench();
  const path = join(bench.directory, 'log');
  const log = { ...logAt(path, { maxSizeBytes: 0, maxFiles: 1 }), raw: true };
  await (await bench.launch(`printf '<\\377\\303 \\342\\200\\250 \\n'`, { log })).exited;
  const start = Buffer.from([
    ...Buffer.from('{"log":"\\u003c'),
    0xff,
    0xc3,
    0x20,
    0xe2,
    0x80,
    0xa8,
    ...Buffer.from(' \\n"'),
  ]);
  assert.deepEqual(readFileSync(path).subarray(0, start.length), start);
});

test('a log that somebody deletes is begun again with the next rotation', needsRoot, async () => {
  await using bench = new Bench();
  const path = join(bench.directory, 'log');
  const script = `seq 0 9; rm ${path}; seq 10 99; seq 100 199`;
  await (await bench.launch(script, { log: logAt(path, { maxSizeBytes: 1000, maxFiles: 1000 }) })).exited;
  assert.equal(linesOf(readFileSync(path, 'utf8')).at(-1), '199');
});
