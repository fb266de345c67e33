import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { LogTarget } from '../launch.ts';
import { Bench, Client, ENV, needsRoot } from './container.fixture.ts';

const INPUT = { tty: false, openStdin: true, stdinOnce: true };

test('an attached client reads both streams in frames, from the first byte to the end', needsRoot, async () => {
  await using bench = new Bench();
  const client = new Client({ stdin: false });
  const shim = await bench.launch('echo out; echo err >&2; echo more', { attachments: [client.attachment] });
  await client.ended;
  assert.deepEqual(client.streams, { stdout: 'out\nmore\n', stderr: 'err\n' });
  assert.equal((await shim.exited).code, 0);
});

test('the end of the client’s input ends standard input, and output still comes', needsRoot, async () => {
  await using bench = new Bench();
  const client = new Client({}, 'from the head\n');
  const shim = await bench.launch('cat; echo done', { stdio: INPUT, attachments: [client.attachment] });
  client.socket.end('from the stream\n');
  await client.ended;
  assert.equal(client.streams.stdout, 'from the head\nfrom the stream\ndone\n');
  assert.equal((await shim.exited).code, 0);
});

test('a client that is no plain socket is relayed, half-close too', needsRoot, async () => {
  await using bench = new Bench();
  const client = new Client({});
  const { connection, options } = client.attachment;
  assert.ok(connection.kind === 'socket');
  connection.socket.allowHalfOpen = true;
  const shim = await bench.launch('cat; echo done', {
    stdio: INPUT,
    attachments: [{ options, connection: { kind: 'stream', stream: connection.socket } }],
  });
  client.socket.end('through the daemon\n');
  await client.ended;
  assert.equal(client.streams.stdout, 'through the daemon\ndone\n');
  await shim.exited;
});

test('without StdinOnce a client’s end of input ends its attachment only', needsRoot, async () => {
  await using bench = new Bench();
  const first = new Client();
  const shim = await bench.launch('while read line; do echo "got $line"; done', {
    stdio: { ...INPUT, stdinOnce: false },
    attachments: [first.attachment],
  });
  first.socket.write('one\n');
  await first.reads('got one');
  first.socket.end();
  await first.ended;
  const second = new Client({ multiplexed: false });
  await shim.attach(second.attachment);
  second.socket.write('two\n');
  await second.reads('got two');
});

test('a terminal: raw output, size, and detach keys that the program never sees', needsRoot, async () => {
  await using bench = new Bench();
  const keys = Uint8Array.of(16, 17);
  const client = new Client({ multiplexed: false, detachKeys: keys });
  const shim = await bench.launch(
    [
      { op: 'setsid' },
      { op: 'console', ptmx: '/dev/ptmx', rows: 11, columns: 22, uid: 0 },
      { op: 'exec', argv: ['/bin/sh', '-c', 'stty raw -echo; stty size; read x; stty size; exec cat -v'], env: ENV },
    ],
    { stdio: { tty: true, openStdin: true, stdinOnce: true }, attachments: [client.attachment] },
  );
  const detached = new Promise(resolve => shim.onDetach(resolve));
  await client.reads('11 22');
  await shim.resize('init', 33, 44);
  client.socket.write('\n');
  await client.reads('33 44');
  client.socket.write('a\x10b');
  await client.reads('a^Pb');
  client.socket.write('c\x10\x11d');
  await client.ended;
  assert.equal(await detached, undefined);
  const again = new Client({ multiplexed: false });
  await shim.attach(again.attachment);
  again.socket.write('e');
  await again.reads('e');
  assert.ok(!client.text.includes('d'));
  assert.ok(!again.text.includes('d'));
});

const logOf = (bench: Bench, maxSizeBytes = 0, maxFiles = 1): LogTarget => ({
  driver: 'json-file',
  path: bench.logPath,
  maxSizeBytes,
  maxFiles,
  compress: false,
});

type Line = { log: string; stream: string; time: string };
const linesOf = (path: string): Line[] =>
  readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line));

test(
  'the log has Docker’s format: escapes, streams, invalid bytes and a last line without its end',
  needsRoot,
  async () => {
    await using bench = new Bench();
    const script = `printf '<&>"\\\\\\t\\r\\001\\177 \\342\\200\\250 \\377\\303 \\303\\251\\n'; printf 'no end' >&2`;
    await (await bench.launch(script, { log: logOf(bench) })).exited;
    const raw = readFileSync(bench.logPath, 'utf8')
      .replace(/"time":"[^"]*"/g, '"time":""')
      .split('\n')
      .sort();
    assert.deepEqual(raw, [
      '',
      String.raw`{"log":"\u003c\u0026\u003e\"\\\u0009\r\u0001` +
        '\x7f' +
        String.raw` \u2028 \ufffd\ufffd é\n","stream":"stdout","time":""}`,
      '{"log":"no end","stream":"stderr","time":""}',
    ]);
    for (const { time } of linesOf(bench.logPath))
      assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,8}[1-9])?Z$/);
  },
);

test('whatever a line holds, and wherever in it, the log gives it back', needsRoot, async () => {
  await using bench = new Bench();
  const needy = ['"', '\\', '<', '>', '&', '\t', '\x01', '\x7f', '\u00e9', '\u2028', '\u{1f600}'];
  const lines = needy.flatMap(text =>
    Array.from({ length: 40 }, (_, at) => `${'x'.repeat(at)}${text}${'y'.repeat(40 - at)}`),
  );
  const path = `${bench.logPath}.input`;
  writeFileSync(path, `${lines.join('\n')}\n`);
  await (await bench.launch(`cat ${path}`, { log: logOf(bench) })).exited;
  assert.deepEqual(
    linesOf(bench.logPath).map(({ log }) => log),
    lines.map(text => `${text}\n`),
  );
  assert.ok(!/[<>&\u2028]/.test(readFileSync(bench.logPath, 'utf8')), 'these are escaped, as Go does');
});

test('a long line is cut at 16 KiB, and its parts share a time', needsRoot, async () => {
  await using bench = new Bench();
  await (await bench.launch(`head -c 40000 /dev/zero | tr '\\0' x; echo; echo y`, { log: logOf(bench) })).exited;
  const lines = linesOf(bench.logPath);
  assert.deepEqual(
    lines.map(line => [line.log.length, line.log.endsWith('\n')]),
    [
      [16384, false],
      [16384, false],
      [40000 - 2 * 16384 + 1, true],
      [2, true],
    ],
  );
  assert.equal(lines[0]?.time, lines[2]?.time);
});

test('the log is rotated by size without a gap', needsRoot, async () => {
  await using bench = new Bench();
  const script = 'i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done';
  await (await bench.launch(script, { log: logOf(bench, 100_000, 3) })).exited;
  const files = [`${bench.logPath}.2`, `${bench.logPath}.1`, bench.logPath];
  const lines = files.flatMap(linesOf).map(line => line.log);
  const first = Number(lines[0]?.slice(5));
  assert.deepEqual(
    lines,
    Array.from({ length: 3000 - first }, (_, index) => `line ${first + index}\n`),
  );
  for (const path of files.slice(0, 2)) {
    const { length } = readFileSync(path);
    assert.ok(length >= 100_000 && length < 100_100, String(length));
  }
});

test('a client that does not read holds the container’s writes back, in flat memory', needsRoot, async () => {
  await using bench = new Bench();
  const client = new Client({ stdin: false, multiplexed: false });
  client.socket.pause();
  const shim = await bench.launch('echo $$; head -c 30000000 /dev/zero; echo end >&2', {
    attachments: [client.attachment],
  });
  const writer = new Client({ stdin: false, stdout: false, multiplexed: false });
  await shim.attach(writer.attachment);
  const rss = (): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${shim.shimPid}/status`, 'utf8'))?.[1]);
  const beforeKb = rss();
  // The pipe, the client's buffer and the socket fill up, and everything stands still.
  for (let before = -1, now = 0; before !== now; ) {
    before = now;
    await new Promise(resolve => setTimeout(resolve, 200));
    now = Number(/wchar: (\d+)/.exec(readFileSync(`/proc/${shim.shimPid}/io`, 'utf8'))?.[1]);
  }
  assert.equal(writer.text, '');
  assert.ok(rss() - beforeKb < 1000, `${beforeKb} kB, then ${rss()} kB`);
  client.socket.resume();
  await client.ended;
  assert.ok(client.bytes.length >= 30_000_000);
  assert.equal((await shim.exited).code, 0);
});

test('a client that vanishes is dropped, and the container goes on', needsRoot, async () => {
  await using bench = new Bench();
  const client = new Client({});
  const bystander = new Client({ stdin: false });
  const shim = await bench.launch('echo tick; read line; head -c 1000000 /dev/zero; echo tock', {
    stdio: INPUT,
    attachments: [client.attachment, bystander.attachment],
  });
  await client.reads('tick');
  client.socket.destroy();
  await bystander.reads('tock');
  assert.equal((await shim.exited).code, 0);
});

test('output that was written just before the end is complete', needsRoot, async () => {
  await using bench = new Bench();
  const client = new Client({ stdin: false, multiplexed: false });
  const shim = await bench.launch('head -c 5000000 /dev/zero', { attachments: [client.attachment] });
  await client.ended;
  assert.equal(client.bytes.length, 5_000_000);
  await shim.exited;
});

test('a client that reads late gets everything, although the container has ended', needsRoot, async () => {
  await using bench = new Bench();
  const client = new Client({ stdin: false, multiplexed: false });
  client.socket.pause();
  const shim = await bench.launch('head -c 500000 /dev/zero', { attachments: [client.attachment] });
  assert.equal((await shim.exited).code, 0);
  client.socket.resume();
  await client.ended;
  assert.equal(client.bytes.length, 500_000);
});

test('a full disk costs whole lines of the log, and the container goes on', needsRoot, async () => {
  await using bench = new Bench();
  const launcher = await bench.launcher();
  const path = join(bench.directory, 'small');
  await launcher.run([
    { op: 'mkdir', path, mode: 0o700 },
    { op: 'mount', source: 'gantry', type: 'tmpfs', path, flags: 0, data: 'size=128k' },
  ]);
  try {
    const log = {
      driver: 'json-file',
      path: join(path, 'log'),
      maxSizeBytes: 0,
      maxFiles: 1,
      compress: false,
    } as const;
    const script = 'i=0; while [ $i -lt 5000 ]; do echo line $i; i=$((i+1)); done; exit 4';
    assert.equal((await (await bench.launch(script, { log })).exited).code, 4);
    const lines = linesOf(log.path);
    assert.ok(lines.length > 500 && lines.length < 5000, String(lines.length));
    assert.equal(lines[0]?.log, 'line 0\n');
  } finally {
    await launcher.run([{ op: 'umount', path, flags: 0 }]);
  }
});

test('a terminal without open standard input takes none', needsRoot, async () => {
  await using bench = new Bench();
  const client = new Client({ multiplexed: false });
  const shim = await bench.launch(
    [
      { op: 'setsid' },
      { op: 'console', ptmx: '/dev/ptmx', rows: 0, columns: 0, uid: 0 },
      { op: 'exec', argv: ['/bin/sh', '-c', 'echo ready; read x; echo got $x'], env: ENV },
    ],
    { stdio: { tty: true, openStdin: false, stdinOnce: false }, attachments: [client.attachment] },
  );
  await client.reads('ready');
  client.socket.write('input\n');
  await shim.signal('init', 9);
  await client.ended;
  assert.equal(client.text, 'ready\r\n');
});
