import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { execute } from '../harness/execute.ts';
import { rootOnly } from '../harness/skip.ts';

const gantryPath = new URL('../../gantry', import.meta.url).pathname;

suite('history, system df and prunes beside the official client', { skip: rootOnly }, () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await startDaemon();
  });
  after(async () => {
    await daemon[Symbol.asyncDispose]();
  });

  /** What both clients print for the same engine. */
  async function same(...args: string[]): Promise<string> {
    const [ours, official] = [await daemon.gantry(...args), await daemon.docker(...args)];
    // The clock goes on between the two, and columns are as wide as their ages.
    const timeless = (text: string) =>
      text.replace(/(\d+ \w+|Less than a second|About an? \w+) ago/g, 'AGO').replace(/ +/g, ' ');
    assert.deepEqual([ours.code, timeless(ours.stdout)], [official.code, timeless(official.stdout)], args.join(' '));
    return ours.stdout;
  }

  test('history is printed as the official client prints it, with every flag', async () => {
    await same('history', '--format', '{{.ID}} {{.CreatedAt}} {{.CreatedBy}} {{.Size}} {{.Comment}}', 'busybox');
    assert.match(await same('image', 'history', '--human=false', 'busybox'), /^IMAGE +CREATED AT +CREATED BY +SIZE/);
    assert.match(await same('history', '-q', '--no-trunc', 'busybox'), /^sha256:[0-9a-f]{64}\n/);
    const other = await daemon.gantry('history', '--platform', 'linux/s390x', 'busybox');
    assert.equal(other.code, 1);
    assert.match(other.stderr, /does not match the specified platform|does not provide the specified platform/);
  });

  test('system df counts what the official client counts', async () => {
    await daemon.gantry('run', '--name', 'counted', '-v', 'kept:/v', 'busybox', 'sh', '-c', 'echo 12345 >/file');
    await same('system', 'df');
    await same('system', 'df', '--format', 'json');
    await same('system', 'df', '--format', '{{.Type}}: {{.Reclaimable}}');
    const verbose = await same('system', 'df', '-v');
    assert.match(verbose, /^kept +1 +0B$/m);
    assert.match(verbose, / counted$/m);
    await daemon.gantry('rm', '-v', 'counted');
    await daemon.gantry('volume', 'rm', 'kept');
  });

  test('prunes ask first, and remove what the answer lets them', async () => {
    await daemon.gantry('run', '--name', 'ended', 'busybox', 'true');
    await daemon.gantry('commit', 'ended');
    const env = { ...process.env, GANTRY_HOST: `unix://${daemon.socket}` };
    const asked = await execute(gantryPath, ['container', 'prune'], { env, input: 'n\n' });
    assert.equal(
      asked.stdout,
      'WARNING! This will remove all stopped containers.\nAre you sure you want to continue? [y/N] ',
    );
    assert.equal((await daemon.docker('ps', '-aq')).stdout.length, 13);
    assert.match(
      (await daemon.gantry('container', 'prune', '-f')).stdout,
      /^Deleted Containers:\n[0-9a-f]{64}\n\nTotal reclaimed space: /,
    );
    assert.match(
      (await daemon.gantry('image', 'prune', '-f')).stdout,
      /^Deleted Images:\n(deleted: sha256:[0-9a-f]{64}\n)+\nTotal reclaimed space: /,
    );
    assert.match((await daemon.docker('images')).stdout, /^busybox /m);
    await daemon.gantry('run', '--name', 'ended', 'busybox', 'true');
    const all = await daemon.gantry('system', 'prune', '-f', '--filter', 'label!=nothing');
    assert.match(all.stdout, /^Deleted Containers:\n[0-9a-f]{64}\n\nTotal reclaimed space: 0B\n$/);
    const both = await daemon.gantry('system', 'prune', '--volumes', '--filter', 'until=1h');
    assert.match(both.stderr, /The "until" filter is not supported with "--volumes"/);
  });
});
