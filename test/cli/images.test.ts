import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { execute } from '../harness/execute.ts';
import { noRegistry, startRegistry, type TestRegistry } from '../harness/registry.ts';
import { rootOnly } from '../harness/skip.ts';

const gantry = new URL('../../gantry', import.meta.url).pathname;

describe('images of our command line', { skip: rootOnly || noRegistry }, () => {
  let daemon: TestDaemon;
  let registry: TestRegistry;
  let several: string;

  before(async () => {
    daemon = await startDaemon();
    registry = await startRegistry();
    several = `${registry.host}/several:1`;
    const root = ['import', '--platform'];
    for (const [at, platform] of ['linux/amd64', 'linux/arm64', 'linux/arm/v7'].entries()) {
      const image = `${registry.host}/one:${at}`;
      const archive = await execute('tar', ['-C', '/etc', '-c', ['hostname', 'passwd', 'group'][at] ?? '']);
      const made = await execute('docker', [...root, platform, '-', image], {
        env: { ...process.env, DOCKER_HOST: `unix://${daemon.socket}` },
        input: archive.stdout,
      });
      assert.equal(made.code, 0, made.stderr);
      assert.equal((await daemon.docker('push', '-q', image)).code, 0);
    }
    await ours('manifest', 'create', '--insecure', several, ...[0, 1, 2].map(at => `${registry.host}/one:${at}`));
    assert.equal((await ours('manifest', 'push', '--purge', several)).code, 0);
    for (const platform of ['linux/amd64', 'linux/arm64']) {
      assert.equal((await daemon.docker('pull', '-q', '--platform', platform, several)).code, 0);
    }
    await daemon.docker('create', '--name', 'user', several, 'x');
    await daemon.docker('rmi', `${registry.host}/one:2`);
    await daemon.docker('commit', 'user');
  });
  after(async () => {
    await registry[Symbol.asyncDispose]();
    await daemon[Symbol.asyncDispose]();
  });

  const env = () => ({ ...process.env, GANTRY_HOST: `unix://${daemon.socket}` });
  const ours = (...args: string[]) => execute(gantry, args, { env: env() });
  /** Both answers; the official client writes the colours of its headers where there is no terminal too, and names in any order. */
  async function both(...args: string[]): Promise<[ours: string, theirs: string]> {
    const [own, docker] = [await ours(...args), await daemon.docker(...args)];
    const shape = ({ code, stdout, stderr }: typeof own): string =>
      `${code}\n${stdout}${stderr}`
        // biome-ignore lint/suspicious/noControlCharactersInRegex: the colours are escape sequences
        .replace(/\x1b\[[0-9;]*m/g, '')
        .replace(/(Less than a|About a|About an|\d+) (second|minute|hour)s? ago/g, 'AWHILE ago')
        // Ours speaks a newer version, which counts them.
        .replace(/"Containers":"[^"]*"/g, '"Containers":"?"')
        .replace(/ {2,}/g, '  ')
        .split('\n')
        .sort()
        .join('\n');
    return [shape(own), shape(docker)];
  }

  test('lists, filters, formats and the tree are those of the official client', async () => {
    const host = registry.host;
    for (const args of [
      [],
      ['-a', '--digests'],
      ['--no-trunc'],
      ['-q'],
      ['-q', '--no-trunc'],
      ['--filter', 'dangling=true'],
      ['--filter', 'dangling=nonsense'],
      ['--filter', `before=${several}`],
      ['--filter', 'since=busybox'],
      ['--filter', 'since=nonsense'],
      ['--filter', `reference=${host}/o*`],
      ['--filter', 'label=x'],
      ['--filter', 'until=1h'],
      ['--filter', 'nonsense=1'],
      ['--format', 'json'],
      ['--format', 'raw'],
      ['--format', 'table {{.ID}}\t{{.Digest}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.VirtualSize}}'],
      ['--format', '{{.Nonsense}}'],
      ['--format', '{{.ID'],
      [`${host}/one:0`],
      ['--tree'],
      ['--tree', '-a'],
      ['--tree', '--filter', `reference=${host}/several`],
      ['--tree', '-q'],
      ['--tree', '--no-trunc'],
      ['--tree', '--digests'],
      ['--tree', '--format', 'json'],
    ]) {
      const [own, docker] = await both('image', 'ls', ...args);
      assert.equal(own, docker, args.join(' '));
    }
    const [own, docker] = await both('images', 'ls');
    assert.equal(own, docker.replace('docker image', 'gantry image'));
  });

  test('the tree shows names, platforms, what is used and what is not here', async () => {
    const { stdout } = await ours('image', 'ls', '--tree', '--filter', `reference=${several}`);
    const [warning, legend, , head, name, ...branches] = stdout.trimEnd().split('\n');
    assert.match(warning ?? '', /^WARNING: This is an experimental feature/);
    assert.match(legend ?? '', /^ +Info -> {2}U In Use $/);
    assert.match(head ?? '', /^IMAGE +ID +DISK USAGE +CONTENT SIZE +EXTRA$/);
    assert.match(name ?? '', new RegExp(`^${several} +[0-9a-f]{12} +\\S+ +\\S+ +U`));
    assert.match(branches[0] ?? '', /^├─ linux\/amd64 .*U/);
    assert.match(branches.at(-1) ?? '', /^└─ linux\/arm/);
    assert.ok(
      branches.some(line => / 0B +0B/.test(line)),
      stdout,
    );
  });

  test('platforms that are none, and those that are not here, are refused in the words of dockerd', async () => {
    const image = `${registry.host}/one:0`;
    const refused = async (...args: string[]): Promise<string> => {
      const { code, stderr } = await ours(...args);
      assert.equal(code === 0, false, args.join(' '));
      return stderr;
    };
    const four = '"a/b/c/d": cannot parse platform specifier: invalid argument';
    for (const verb of ['pull', 'create', 'run']) {
      assert.match(
        await refused(verb, '--platform', 'a/b/c/d', image),
        new RegExp(`Error response from daemon: ${four}`),
        verb,
      );
    }
    assert.match(
      await refused('save', '--platform', 'linux/s390x', image),
      /no suitable export target found for platform linux\/s390x/,
    );
    const late = await daemon.docker('push', '--platform', 'linux/s390x', image);
    assert.match(
      late.stderr,
      /^Error response from daemon: image with reference .* does not match the specified platform \(linux\/s390x\)/m,
    );
    const query = async (text: string): Promise<string> => {
      const { status, body } = await daemon.api(
        'GET',
        `/v1.51/images/${image}/json?platform=${encodeURIComponent(text)}`,
      );
      return `${status} ${(JSON.parse(body) as { message: string }).message}`;
    };
    assert.equal(await query('{'), '400 failed to parse platform: unexpected end of JSON input');
    assert.equal(await query('null'), '400 both OS and Architecture must be provided');
    assert.match(
      await query('{"os":1}'),
      /^400 failed to parse platform: json: cannot unmarshal number into Go struct field Platform\.os of type string$/,
    );
    assert.match(
      await query('[]'),
      /^400 failed to parse platform: json: cannot unmarshal array into Go value of type v1\.Platform$/,
    );
    const darwin = await daemon.api('POST', '/v1.51/images/create?fromSrc=-&platform=darwin');
    assert.deepEqual([darwin.status, JSON.parse(darwin.body)], [400, { message: 'operating system is not supported' }]);
  });
});
