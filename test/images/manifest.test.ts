import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { execute } from '../harness/execute.ts';
import { noRegistry, startRegistry, type TestRegistry } from '../harness/registry.ts';
import { rootOnly } from '../harness/skip.ts';

const gantry = new URL('../../gantry', import.meta.url).pathname;
/** `joe` with the password `secret`. */
const htpasswd = 'joe:$2b$04$nAaeAppqwW/UDtVT7t99JOhSiW4myrgE0cj7Rd3o4QeQ0SL3IMGOy\n';
const accept = { Accept: 'application/vnd.docker.distribution.manifest.list.v2+json' };

describe('manifest lists', { skip: rootOnly || noRegistry }, () => {
  let daemon: TestDaemon;
  let registry: TestRegistry;
  let guarded: TestRegistry;
  let scratch: string;

  before(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'gantry-manifest-'));
    daemon = await startDaemon({ images: [] });
    registry = await startRegistry();
    guarded = await startRegistry({ htpasswd });
    writeFileSync(join(scratch, 'file'), 'one file\n');
    await execute('tar', ['-C', scratch, '-cf', join(scratch, 'root.tar'), 'file'], {});
    for (const platform of ['linux/amd64', 'linux/arm64', 'linux/arm/v7']) {
      const name = `${registry.host}/app/${platform.split('/')[1]}:1`;
      const imported = await daemon.docker('import', '--platform', platform, join(scratch, 'root.tar'), name);
      assert.equal(imported.code, 0, imported.stderr);
      assert.equal((await daemon.docker('push', '-q', name)).code, 0);
    }
  });
  after(async () => {
    await guarded[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
    await daemon[Symbol.asyncDispose]();
    rmSync(scratch, { recursive: true });
  });

  type Answer = { readonly code: number | null; readonly stdout: string; readonly stderr: string };
  const environment = () => ({
    ...process.env,
    GANTRY_HOST: `unix://${daemon.socket}`,
    DOCKER_HOST: `unix://${daemon.socket}`,
  });
  const runner =
    (program: string, config: string) =>
    async (...args: string[]): Promise<Answer> => {
      const { code, stdout, stderr } = await execute(program, ['--config', join(scratch, config), ...args], {
        env: environment(),
      });
      // Our hints are lines of their own.
      return { code, stdout, stderr: stderr.replace(/^Hint: .*\n/gm, '') };
    };
  /** Runs a command with both command lines, each with a store of its own, and demands the same answer of both. */
  const both = async (...args: string[]): Promise<Answer> => {
    const theirs = await runner('docker', 'theirs')('manifest', ...args);
    const ours = await runner(gantry, 'ours')('manifest', ...args);
    assert.deepEqual(ours, theirs, args.join(' '));
    return ours;
  };
  const stored = (config: string): Record<string, string> => {
    const root = join(scratch, config, 'manifests');
    const files = readdirSync(root).flatMap(list => readdirSync(join(root, list)).map(file => `${list}/${file}`));
    return Object.fromEntries(files.sort().map(file => [file, readFileSync(join(root, file), 'utf8')]));
  };

  test("every command answers as Docker's, and keeps the same files", async () => {
    const { host } = registry;
    const list = `${host}/app/all:1`;
    const [amd64, arm64, arm] = ['amd64', 'arm64', 'arm'].map(name => `${host}/app/${name}:1`) as [
      string,
      string,
      string,
    ];
    assert.equal((await both('inspect', amd64)).stderr, `no such manifest: ${amd64}\n`);
    await both('inspect', '--insecure', amd64);
    await both('inspect', '--insecure', '-v', amd64);
    await both('inspect', '--insecure', `${host}/app/none`);
    await both('inspect', 'Upper');
    await both('create', 'Upper', amd64);
    await both('create', '--insecure', list, amd64, `${host}/app/none`);
    await both('rm', list);
    assert.equal((await both('create', '--insecure', list, amd64, arm64)).stdout, `Created manifest list ${list}\n`);
    assert.match(
      (await both('create', '--insecure', list, arm)).stderr,
      /^refusing to amend an existing manifest list/,
    );
    await both('create', '--insecure', '--amend', list, arm);
    await both('annotate', list, arm, '--os', 'plan9', '--arch', 'toaster');
    await both('annotate', list, `${host}/app/none`, '--arch', 'arm');
    await both(
      'annotate',
      list,
      arm,
      '--variant',
      'v6',
      '--os-features',
      'a,b',
      '--os-features',
      'a',
      '--os-version',
      '10.1',
    );
    assert.deepEqual(stored('ours'), stored('theirs'));
    await both('inspect', list);
    await both('inspect', '-v', list);
    await both('inspect', list, arm);
    await both('inspect', '-v', list, arm);
    await both('inspect', list, `${host}/app/none`);
    const pushed = await both('push', list);
    assert.match(pushed.stdout, /^(Pushed ref \S+@(sha256:\S+) with digest: \2\n){3}sha256:[0-9a-f]{64}\n$/);
    await both('inspect', '--insecure', list);
    await both('inspect', '--insecure', '-v', list);
    await both('create', '--insecure', `${host}/app/lists`, list);
    await both('push', '--purge', list);
    await both('push', list);
    await both('rm', list, 'Upper');
    await both('create', '--insecure', `localhost:1/app/all`, amd64);
    await both('push', 'localhost:1/app/all');
    await both('inspect', 'localhost:1/app/all');
    assert.equal((await both('rm', 'localhost:1/app/all')).code, 0);
    assert.deepEqual(readdirSync(join(scratch, 'ours/manifests')), []);
  });

  test('a list that one command line began, the other annotates, pushes and pulls', async () => {
    const { host } = registry;
    const list = `${host}/app/mixed:1`;
    const [docker, own] = [runner('docker', 'shared'), runner(gantry, 'shared')];
    const ok = ({ code, stderr }: Answer): void => assert.equal(code, 0, stderr);
    ok(await own('manifest', 'create', '--insecure', list, `${host}/app/amd64:1`));
    ok(await docker('manifest', 'create', '--insecure', '--amend', list, `${host}/app/arm64:1`));
    ok(await docker('manifest', 'annotate', list, `${host}/app/amd64:1`, '--os-version', '7'));
    ok(await own('manifest', 'annotate', list, `${host}/app/arm64:1`, '--variant', 'v8'));
    assert.deepEqual(await own('manifest', 'inspect', list), await docker('manifest', 'inspect', list));
    const first = await docker('manifest', 'push', list);
    const second = await own('manifest', 'push', '-p', list);
    assert.deepEqual(second, first);
    const index = JSON.parse((await registry.api('/v2/app/mixed/manifests/1', accept)).body) as {
      manifests: { platform: unknown }[];
    };
    assert.deepEqual(
      index.manifests.map(({ platform }) => platform),
      [
        { architecture: 'amd64', os: 'linux', 'os.version': '7' },
        { architecture: 'arm64', os: 'linux', variant: 'v8' },
      ],
    );
    ok(await own('pull', '--platform', 'linux/arm64', list));
    assert.equal((await own('image', 'inspect', '-f', '{{.Architecture}}', list)).stdout, 'arm64\n');
  });

  test('credentials of the login are used, and missed where there are none', async () => {
    const { host } = guarded;
    const [docker, own] = [runner('docker', 'private'), runner(gantry, 'private')];
    const auth = Buffer.from('joe:secret').toString('base64');
    const source = `${host}/team/app:1`;
    await daemon.docker('tag', `${registry.host}/app/amd64:1`, source);
    const refused = await own('manifest', 'inspect', '--insecure', source);
    assert.deepEqual(refused, await docker('manifest', 'inspect', '--insecure', source));
    assert.match(refused.stderr, /no basic auth credentials\n$/);
    mkdirSync(join(scratch, 'private'), { recursive: true });
    writeFileSync(join(scratch, 'private/config.json'), JSON.stringify({ auths: { [host]: { auth } } }));
    assert.equal((await own('push', '-q', source)).code, 0);
    const made = await own('manifest', 'create', '--insecure', `${host}/team/all`, source);
    assert.equal(made.code, 0, made.stderr);
    const pushed = await own('manifest', 'push', `${host}/team/all`);
    assert.match(pushed.stdout, /\nsha256:[0-9a-f]{64}\n$/, pushed.stderr);
    rmSync(join(scratch, 'private/config.json'));
    const late = await own('manifest', 'push', `${host}/team/all`);
    assert.match(
      late.stderr,
      /^failed to put manifest \S+\/team\/all@sha256:\S+: Get "http:\S+": no basic auth credentials\n$/,
    );
  });

  test('a hint says why a registry gave nothing, and a damaged file of the store is named', async () => {
    const { host } = registry;
    const run = (...args: string[]) =>
      execute(gantry, ['--config', join(scratch, 'hints'), 'manifest', ...args], { env: environment() });
    assert.match(
      (await run('inspect', `${host}/app/amd64:1`)).stderr,
      /\nHint: .* speaks plain HTTP: allow that with --insecure\n$/,
    );
    assert.match((await run('inspect', '--insecure', `${host}/app/none`)).stderr, /\nHint: .*manifest unknown/);
    assert.equal((await run('create', '--insecure', `${host}/app/bad`, `${host}/app/amd64:1`)).code, 0);
    const [file = ''] = Object.keys(stored('hints'));
    const path = join(scratch, 'hints/manifests', file);
    writeFileSync(path, '{');
    const damaged = await run('push', `${host}/app/bad`);
    assert.equal(damaged.code, 1);
    assert.ok(damaged.stderr.startsWith(`${path}: `), damaged.stderr);
    assert.equal((await run('rm', `${host}/app/bad`)).code, 1);
    assert.match(
      (await run('inspect')).stderr,
      /^gantry: 'gantry manifest inspect' requires at least 1 and at most 2 arguments\n/,
    );
  });
});
