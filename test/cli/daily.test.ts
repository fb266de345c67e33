import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { execute } from '../harness/execute.ts';
import { rootOnly } from '../harness/skip.ts';

const gantryPath = new URL('../../gantry', import.meta.url).pathname;

test('gantry --version tells the version and needs no engine', () => {
  const text = execFileSync(gantryPath, ['-H', 'unix:///nonexistent.sock', '--version'], { encoding: 'utf8' });
  assert.match(text, /^Gantry version \d+\.\d+\.\d+\n$/);
});

test('where no engine can be reached the command says so and what a user can do', async () => {
  const { code, stderr } = await execute(gantryPath, ['-H', 'unix:///nonexistent.sock', 'ps']);
  assert.equal(code, 1);
  assert.match(
    stderr,
    /^Cannot connect to the Docker daemon at unix:\/\/\/nonexistent\.sock\. Is the docker daemon running\?/,
  );
});

suite('our own command line', { skip: rootOnly }, () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await startDaemon();
  });
  after(async () => {
    await daemon[Symbol.asyncDispose]();
  });

  test('run prints what the program prints, apart, and ends with its status', async () => {
    const { code, stdout, stderr } = await daemon.gantry(
      'run',
      '--rm',
      'busybox',
      'sh',
      '-c',
      'echo out; echo err >&2; exit 7',
    );
    assert.deepEqual([code, stdout, stderr], [7, 'out\n', 'err\n']);
  });

  test('run -i sends its input and closes it', async () => {
    const env = { ...process.env, GANTRY_HOST: `unix://${daemon.socket}` };
    const { stdout, code } = await execute(gantryPath, ['run', '--rm', '-i', 'busybox', 'wc', '-c'], {
      env,
      input: Buffer.alloc(1 << 20),
    });
    assert.deepEqual([code, stdout], [0, `${1 << 20}\n`]);
  });

  test('run says why a program cannot start, by text and status', async () => {
    const missing = await daemon.gantry('run', '--rm', 'busybox', 'nosuch');
    assert.equal(missing.code, 127);
    assert.match(missing.stderr, /^gantry: Error response from daemon: .*executable file not found in \$PATH/);
    assert.match(missing.stderr, /\n\nRun 'gantry run --help' for more information\n$/);
    assert.equal((await daemon.gantry('run', '--rm', 'busybox', '/etc')).code, 126);
    const flag = await daemon.gantry('run', '--nosuch', 'busybox');
    assert.deepEqual([flag.code, flag.stderr.split('\n')[0]], [125, 'unknown flag: --nosuch']);
    assert.equal((await daemon.docker('ps', '-aq')).stdout, '');
  });

  test('a container lives through create, start, exec, logs, stop and rm', async () => {
    const created = await daemon.gantry(
      'create',
      '--name',
      'life',
      'busybox',
      'sh',
      '-c',
      'echo started; exec sleep 1000',
    );
    assert.match(created.stdout, /^[0-9a-f]{64}\n$/);
    assert.equal((await daemon.gantry('start', 'life')).stdout, 'life\n');
    assert.equal((await daemon.gantry('exec', '-e', 'A=1', 'life', 'sh', '-c', 'echo $A; exit 3')).code, 3);
    assert.equal((await daemon.gantry('logs', 'life')).stdout, 'started\n');
    assert.match((await daemon.gantry('top', 'life')).stdout, /sleep 1000/);
    assert.equal((await daemon.gantry('rm', 'life')).code, 1);
    assert.equal((await daemon.gantry('stop', '-t', '0', 'life')).stdout, 'life\n');
    assert.equal((await daemon.gantry('wait', 'life')).stdout, '137\n');
    assert.equal((await daemon.gantry('rm', 'life')).stdout, 'life\n');
  });

  test("lists and documents are the official client's to the letter", async () => {
    await daemon.docker(
      'run',
      '-d',
      '--name',
      'listed',
      '-l',
      'a=b',
      '-p',
      '127.0.0.1::80',
      'busybox',
      'sleep',
      '1000',
    );
    await daemon.docker('create', '--name', 'made', 'busybox', 'true');
    const cases: string[][] = [
      [
        'ps',
        '-a',
        '--no-trunc',
        '--format',
        '{{.ID}} {{.Names}} {{.Image}} {{.Command}} {{.Ports}} {{.State}} {{.Labels}} {{.Networks}}',
      ],
      ['ps', '-aq'],
      ['ps', '--filter', 'name=listed', '--format', 'table {{.Names}}\t{{.Image}}\t{{.Label "a"}}'],
      ['images', '--format', 'table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.Size}}'],
      ['images', '--no-trunc', '-q'],
      ['inspect', 'listed'],
      ['inspect', 'busybox'],
      [
        'inspect',
        '-f',
        '{{.Name}} {{.State.Status}} {{json .Config.Cmd}} {{range $k, $v := .NetworkSettings.Networks}}{{$k}}{{end}}',
        'listed',
      ],
      ['inspect', 'nosuch'],
      ['port', 'listed'],
      ['rm', 'nosuch'],
      ['version', '--format', '{{.Server.Version}} {{.Server.APIVersion}}'],
      ['info', '--format', '{{.ServerVersion}} {{.Driver}} {{.Containers}}'],
    ];
    for (const args of cases)
      assert.deepEqual(await daemon.gantry(...args), await daemon.docker(...args), args.join(' '));
    await daemon.gantry('rm', '-f', 'listed', 'made');
  });

  test('an image is saved, removed, loaded, tagged and removed by its names', async () => {
    const archive = join(daemon.root, 'image.tar');
    assert.equal((await daemon.gantry('tag', 'busybox', 'cli/copy:1')).code, 0);
    assert.equal((await daemon.gantry('save', '-o', archive, 'cli/copy:1')).code, 0);
    assert.equal((await daemon.gantry('rmi', 'cli/copy:1')).stdout, 'Untagged: cli/copy:1\n');
    assert.match((await daemon.gantry('load', '-i', archive)).stdout, /Loaded image: cli\/copy:1/);
    assert.equal((await daemon.gantry('rmi', 'cli/copy:1')).code, 0);
  });

  test("a hint of the engine is a line below Docker's own text, and the status stays", async () => {
    const driver = await daemon.gantry('run', '--log-driver', 'syslog', 'busybox', 'true');
    assert.equal(driver.code, 125);
    assert.match(
      driver.stderr,
      /^gantry: Error response from daemon: .*syslog.*\nHint: use json-file, local or none\n\nRun 'gantry run --help' .*\n$/,
    );
    const signal = await daemon.gantry('kill', '-s', 'NOSUCH', 'nobody');
    assert.equal(signal.code, 1);
    assert.match(signal.stderr, /invalid signal: NOSUCH\nHint: signals are numbered 1 to 64; `kill -l` lists them\n/);
    const garbage = join(daemon.root, 'cut.tar');
    writeFileSync(garbage, Buffer.alloc(700, 'x'));
    for (const args of [
      ['load', '-i', garbage],
      ['import', garbage],
    ]) {
      const { code, stderr } = await daemon.gantry(...args);
      assert.equal(code, 1, args.join(' '));
      assert.match(stderr, /^[^\n]+\nHint: [^\n]+\n$/, args.join(' '));
    }
  });

  test('--cidfile, --env-file and detached runs are as in Docker', async () => {
    const file = join(daemon.root, 'cid');
    const variables = join(daemon.root, 'variables');
    writeFileSync(variables, '# comment\nA=1\nNODE_OPTIONS=--nonsense\n');
    const run = await daemon.gantry('run', '-d', '--cidfile', file, '--env-file', variables, 'busybox', 'env');
    assert.equal(run.stdout.trim(), readFileSync(file, 'utf8'));
    assert.equal((await daemon.gantry('wait', run.stdout.trim())).stdout, '0\n');
    assert.match((await daemon.gantry('logs', run.stdout.trim())).stdout, /^A=1\nNODE_OPTIONS=--nonsense\n/m);
    assert.equal((await daemon.gantry('run', '--cidfile', file, 'busybox', 'true')).code, 125);
  });
});
