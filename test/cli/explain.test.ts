import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { EngineClient, type JobDocument } from '@gantry/client';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { rootOnly } from '../harness/skip.ts';

describe('what the engine tells of its work', { skip: rootOnly }, () => {
  let daemon: TestDaemon;

  before(async () => {
    daemon = await startDaemon();
  });
  after(() => daemon[Symbol.asyncDispose]());

  test('run --explain shows the steps of a start on standard error, and passes output and status on', async () => {
    const run = await daemon.gantry(
      'run',
      '--explain',
      '--rm',
      '--hostname',
      'told',
      'busybox',
      'sh',
      '-c',
      'echo out; exit 3',
    );
    assert.equal(run.stdout, 'out\n');
    assert.equal(run.code, 3);
    assert.match(run.stderr, /^How [0-9a-f]{12} was started, in [\d.]+ m?s\n\nthe engine\n/);
    const titles = [
      'its shim, before there is a process',
      'the birth of its first process',
      'its shim, beside that process',
    ];
    for (const title of [...titles, 'the process itself, until it becomes the program']) {
      assert.ok(run.stderr.includes(`\n\n${title}\n`), title);
    }
    for (const step of [
      /µs|ms .* compile the plan$/m,
      /clone mount .*pid net/,
      /netlink: new link \w+ \(veth/,
      /fsMount #\d+ type=proc/,
      /hostname name=told$/m,
      /pivotRoot #0$/m,
      /seccomp filter=\d+ bytes/,
      /exec argv=\["sh","-c","echo out; exit 3"\]/,
    ]) {
      assert.match(run.stderr, step);
    }
    assert.doesNotMatch(run.stderr, /[0-9a-f]{64}/);
  });

  test('start --explain tells of a detached one too, and once it runs there is nothing to tell', async () => {
    await daemon.docker('create', '--name', 'later', '--network', 'none', 'busybox', 'sleep', '1000');
    const start = await daemon.gantry('start', '--explain', 'later');
    assert.equal(start.stdout, 'later\n');
    assert.match(start.stderr, /the engine\n(?:.*\n)*.*exec argv=\["sleep","1000"\]/);
    const again = await daemon.gantry('start', '--explain', 'later');
    assert.deepEqual([again.stdout, again.stderr, again.code], ['later\n', '', 0]);
  });

  test('each step has its place in the time of the start', async () => {
    const { stdout: id } = await daemon.docker('create', 'busybox', 'true');
    using client = new EngineClient(`unix://${daemon.socket}`);
    const told = await client.containers.explainStart(id.trim());
    assert.ok(told);
    assert.equal(told.Verb, 'container.start');
    assert.equal(told.Object, id.trim());
    assert.equal(told.Outcome, 'done');
    const launch = told.Spans.find(({ Name }) => Name === 'launch');
    assert.ok(launch);
    for (const { AfterMs, DurationMs, Step } of told.Steps) {
      assert.ok(DurationMs >= 0, Step);
      assert.ok(AfterMs >= launch.AfterMs && AfterMs + DurationMs <= launch.AfterMs + launch.DurationMs + 1, Step);
    }
    assert.deepEqual([...new Set(told.Steps.map(({ Section }) => Section))], ['prepare', 'clone', 'parent', 'child']);
  });

  test('a start that fails says why, with explain as without', async () => {
    const run = await daemon.gantry('run', '--explain', '--rm', 'busybox', 'nosuch');
    assert.equal(run.code, 127);
    assert.match(run.stderr, /executable file not found in \$PATH/);
    assert.doesNotMatch(run.stderr, /How /);
  });

  test('system jobs lists what was done, where the time went, and what failed', async () => {
    await daemon.docker('run', '--name', 'seen', 'busybox', 'true');
    await daemon.docker('volume', 'rm', 'nosuch');
    const list = await daemon.gantry('system', 'jobs', '--filter', 'object=seen');
    assert.match(
      list.stdout,
      /^\S+Z container\.create [0-9a-f]{12}: done in [\d.]+ m?s\n +\S+ [µm]s +\S+ [µm]s +[▏█]+ +make the directory$/m,
    );
    assert.match(list.stdout, /^\S+Z container\.start [0-9a-f]{12}: done in /m);
    const json = await daemon.gantry('system', 'jobs', '--filter', 'verb=volume', '--format', 'json');
    const failed = json.stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as JobDocument)
      .at(-1);
    assert.equal(failed?.Verb, 'volume.remove');
    assert.equal(failed?.Outcome, 'failed');
    assert.match(failed?.Error ?? '', /no such volume/);
    const wrong = await daemon.gantry('system', 'jobs', '--filter', 'color=red');
    assert.match(wrong.stderr, /invalid filter 'color'/);
    assert.equal(wrong.code, 1);
  });
});
