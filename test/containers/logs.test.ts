/** Logs as users see them by `docker logs`: options, compression, logs that may not block. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { execute } from '../harness/execute.ts';
import { until as untilWithin } from '../harness/raw.ts';
import { rootOnly } from '../harness/skip.ts';
import { slowness } from '../harness/slowness.ts';

/** Compression waits for a turn, and a dump takes a while, on a machine that has much to do. */
const until = (check: Parameters<typeof untilWithin>[0]): Promise<void> => untilWithin(check, 60_000 * slowness);

const gantry = new URL('../../gantry', import.meta.url).pathname;

describe('logs', { skip: rootOnly }, () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await startDaemon();
  });
  after(() => daemon?.[Symbol.asyncDispose]());
  afterEach(async () => {
    const ids = (await daemon.docker('ps', '-aq')).stdout.split('\n').filter(Boolean);
    if (ids.length > 0) assert.equal((await daemon.docker('rm', '-f', ...ids)).code, 0);
  });

  const opts = (...options: string[]): string[] => options.flatMap(option => ['--log-opt', option]);
  const run = (...args: string[]) => daemon.docker('run', '--network', 'none', '--name', 'logged', ...args);
  const logs = async (...args: string[]): Promise<string> => (await daemon.docker('logs', ...args, 'logged')).stdout;
  const inspect = async (format: string): Promise<string> =>
    (await daemon.docker('inspect', '-f', format, 'logged')).stdout.trim();
  /** What the files of the container's log are called, from `.2.gz` to nothing. */
  const filesOf = async (): Promise<string[]> => {
    const path = await inspect('{{.LogPath}}');
    const names = readdirSync(dirname(path)).filter(name => name.startsWith(basename(path)));
    return names.map(name => name.slice(basename(path).length)).sort();
  };
  const compressed = (...expected: string[]) =>
    until(async () => {
      const files = await filesOf();
      return files.join() === expected.join() ? undefined : `the files are ${files.join()}`;
    });
  /** A line for each number, in files of 100 kB: about 1300 lines. */
  const count = (from: number, to: number): string => `seq ${from} ${to - 1}`;
  const numbers = (from: number, to: number): string =>
    Array.from({ length: to - from }, (_, index) => `${from + index}\n`).join('');

  test('rotated files are compressed, and docker logs reads on', async () => {
    await run(
      '-d',
      ...opts('max-size=100k', 'max-file=4', 'compress=true'),
      'busybox',
      'sh',
      '-c',
      `${count(0, 3000)}; while [ ! -e /go ]; do sleep 0.02; done; ${count(3000, 3010)}`,
    );
    await compressed('', '.1.gz', '.2.gz');
    assert.equal(await logs(), numbers(0, 3000));
    assert.equal(await logs('--tail', '2900'), numbers(100, 3000));
    assert.equal(await logs('--tail', '5'), numbers(2995, 3000));
    const [first = ''] = (await logs('-t', '--tail', '2000')).split(' ');
    assert.equal(await logs('--since', first), numbers(1000, 3000));
    assert.equal((await logs('--until', first)).endsWith('\n1000\n'), true);
    const following = daemon.docker('logs', '-f', 'logged');
    await daemon.docker('exec', 'logged', 'touch', '/go');
    assert.equal((await following).stdout, numbers(0, 3010));
  });

  test('what was rotated while no daemon was there is compressed when one starts; local does so unasked', async () => {
    const shared = join(daemon.root, 'shared');
    mkdirSync(shared);
    const script = `while [ ! -e /shared/go ]; do sleep 0.02; done; ${count(0, 3000)}; sleep 100`;
    await run(
      '-d',
      '-v',
      `${shared}:/shared`,
      '--log-driver',
      'local',
      ...opts('max-size=100k'),
      'busybox',
      'sh',
      '-c',
      script,
    );
    assert.equal(await inspect('{{.LogPath}}'), '');
    const id = await inspect('{{.Id}}');
    const files = (...expected: string[]) =>
      until(() => {
        const names = readdirSync(join(daemon.dataRoot, 'containers', id)).filter(name => name.includes('-json.log'));
        const found = names
          .map(name => name.slice(`${id}-json.log`.length))
          .sort()
          .join();
        return found === expected.join() ? undefined : `the files are ${found}`;
      });
    await daemon.end('SIGKILL');
    writeFileSync(join(shared, 'go'), '');
    await files('', '.1', '.2');
    await daemon.start();
    await files('', '.1.gz', '.2.gz');
    assert.equal(await logs(), numbers(0, 3000));
  });

  test('a non-blocking log loses what it has no room for, and the daemon says how much', async () => {
    await run(...opts('mode=non-blocking', 'max-buffer-size=4k'), 'busybox', 'sh', '-c', count(0, 100));
    assert.equal(await logs(), numbers(0, 100));
    assert.equal(await inspect('{{index .HostConfig.LogConfig.Config "mode"}}'), 'non-blocking');
    await daemon.docker('rm', 'logged');
    const script = `${count(0, 2000)}; sleep 100`;
    await run('-d', ...opts('mode=non-blocking', 'max-buffer-size=0'), 'busybox', 'sh', '-c', script);
    const lost = async (): Promise<number> => {
      const before = dumps();
      process.kill(daemon.pid(), 'SIGUSR1');
      await until(() => (dumps().length > before.length ? undefined : 'there is no dump'));
      const path = dumps().find(name => !before.includes(name)) ?? '';
      const id = await inspect('{{.Id}}');
      return JSON.parse(readFileSync(join(daemon.root, 'run', path), 'utf8')).lostLogLines[id] ?? 0;
    };
    const dumps = (): string[] =>
      readdirSync(join(daemon.root, 'run')).filter(name => /^gantry-dump-.*\.json$/.test(name));
    await until(async () => {
      const kept = (await logs()).split('\n').length - 1;
      const missing = await lost();
      return missing > 0 && kept > 0 && kept + missing === 2000 ? undefined : `${kept} lines and ${missing} lost`;
    });
    assert.match(
      daemon.log(),
      /the log of logged has lost \d+ lines: its disk is full, or too slow for mode=non-blocking/,
    );
  });

  test('local keeps every byte, json-file says which are no text', async () => {
    for (const [driver, expected] of [
      ['local', '780001ff79c3280a'],
      ['json-file', '780001efbfbd79efbfbd280a'],
    ] as const) {
      await run('--log-driver', driver, 'busybox', 'printf', 'x\\0\\1\\377y\\303(\\n');
      const hex = `docker -H unix://${daemon.socket} logs logged | od -An -v -tx1 | tr -d ' \\n'`;
      assert.equal((await execute('sh', ['-c', hex])).stdout, expected);
      await daemon.docker('rm', 'logged');
    }
  });

  test('a log that is deleted under the engine’s feet is said to be gone; the container goes on, and its next run is logged', async () => {
    await run('busybox', 'echo', 'hi');
    const path = await inspect('{{.LogPath}}');
    rmSync(path);
    const { stdout, stderr } = await daemon.docker('logs', 'logged');
    assert.equal(stdout, '');
    assert.match(
      stderr,
      /^error from daemon in stream: Error grabbing logs: open \/.*-json.log: no such file or directory\n/,
    );
    await daemon.docker('start', '-a', 'logged');
    assert.equal(await logs(), 'hi\n');
  });

  test('attributes and a tag come with --details', async () => {
    await run(
      '-e',
      'A=1',
      '-l',
      'b=2 3',
      ...opts('env=A', 'labels-regex=^b', 'tag={{.Name}}/{{upper .ImageName}}/{{truncate .FullID 4}}'),
      'busybox',
      'echo',
      'hi',
    );
    const id = await inspect('{{.Id}}');
    assert.equal(await logs('--details'), `A=1,b=2+3,tag=logged%2FBUSYBOX%2F${id.slice(0, 4)} hi\n`);
  });

  test('options without a meaning are refused in dockerd’s words, at create or at start', async () => {
    const failed = 'failed to create task for container: failed to initialize logging driver: ';
    const cases: [string[], string][] = [
      [opts('foo=1'), "unknown log opt 'foo' for json-file log driver"],
      [['--log-driver', 'local', ...opts('tag=x')], "unknown log opt 'tag' for log driver local"],
      [opts('mode=non-blocking', 'max-buffer-size=x'), "error parsing option max-buffer-size: invalid size: 'x'"],
      [opts('cache-disabled=x'), 'invalid value for option cache-disabled: x'],
      [
        opts('compress=true', 'max-size=1m'),
        `${failed}compress cannot be true when max-file is less than 2 or max-size is not set`,
      ],
      [
        ['--log-driver', 'local', ...opts('max-file=1')],
        `${failed}compression cannot be enabled when max file count is 1`,
      ],
      [['--log-driver', 'local', ...opts('max-size=x')], `${failed}invalid value for max-size: x: invalid size: 'x'`],
      [
        opts('tag={{.Foo}}'),
        `${failed}template: log-tag:1:2: executing "log-tag" at <.Foo>: can't evaluate field Foo in type *logger.Info`,
      ],
      [opts('tag={{.Name'), `${failed}template: log-tag:1: unclosed action`],
    ];
    for (const [options, message] of cases) {
      const { code, stderr } = await run(...options, 'busybox', 'true');
      assert.equal(code, 125);
      assert.match(stderr, /^docker: Error response from daemon: (.*)\n/);
      assert.equal(/^docker: Error response from daemon: (.*)\n/.exec(stderr)?.[1], message);
      await daemon.docker('rm', 'logged');
    }
  });

  test('the daemon’s own options count for every container, and wrong ones keep it from starting', async () => {
    await using other = await startDaemon({
      flags: ['--log-driver', 'local', '--log-opt', 'max-size=1m', '--log-opt', 'mode=non-blocking'],
    });
    await other.docker('create', '--name', 'plain', 'busybox', 'true');
    await other.docker('create', '--name', 'own', '--log-opt', 'max-size=2m', 'busybox', 'true');
    await other.docker('create', '--name', 'json', '--log-driver', 'json-file', 'busybox', 'true');
    const config = async (name: string) =>
      (await other.docker('inspect', '-f', '{{json .HostConfig.LogConfig}}', name)).stdout.trim();
    assert.equal(await config('plain'), '{"Type":"local","Config":{"max-size":"1m","mode":"non-blocking"}}');
    assert.equal(await config('own'), '{"Type":"local","Config":{"max-size":"2m","mode":"non-blocking"}}');
    assert.equal(await config('json'), '{"Type":"json-file","Config":{}}');
    const folder = join(daemon.root, 'wrong');
    mkdirSync(folder);
    const own = [
      '--data-root',
      join(folder, 'd'),
      '--exec-root',
      join(folder, 'r'),
      '-H',
      `unix://${join(folder, 's')}`,
    ];
    const refused = await execute(gantry, ['daemon', '--bridge', 'none', ...own, '--log-opt', 'foo=1']);
    assert.equal(refused.code, 1);
    assert.match(
      refused.stderr,
      /failed to start daemon: failed to set log opts: unknown log opt 'foo' for json-file log driver/,
    );
    assert.equal(existsSync(join(folder, 's')), false);
  });
});
