import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { rootOnly } from '../harness/skip.ts';

describe('history, df, stats and prune of our command line', { skip: rootOnly }, () => {
  let daemon: TestDaemon;

  before(async () => {
    daemon = await startDaemon();
    await daemon.docker('run', '--name', 'ended', '-v', 'kept:/data', 'busybox', 'true');
    await daemon.docker('run', '-d', '--name', 'runs', '--label', 'a=b', 'busybox', 'sleep', '1000');
    await daemon.docker('commit', '-m', 'a comment', 'ended', 'derived:v1');
  });
  after(() => daemon[Symbol.asyncDispose]());

  /** Times that pass between the two commands are no difference, nor the width that a column has by them. */
  const timeless = (text: string): string =>
    text
      .replace(/\b(Less than a second|About a \w+|\d+ \w+) ago/g, 'AGO')
      .replace(/Up (Less than a second|About a \w+|\d+ \w+)/g, 'UP')
      .replace(/ {2,}/g, '  ');

  const lines = [
    'history busybox',
    'history derived:v1',
    'history --no-trunc derived:v1',
    'history -q derived:v1',
    'history --human=false busybox',
    'history --format json derived:v1',
    'history --platform linux/arm64 busybox',
    'history nosuch',
    'system df',
    'system df -v',
    'system df --format json',
    'system df --format {{.Type}}:{{.TotalCount}}:{{.Size}}:{{.Reclaimable}}',
    'system df -v --format json',
    'stats --no-stream --format {{.Name}}:{{.PIDs}}:{{.ID}}',
    'stats --no-stream nosuch',
    'system prune --volumes --filter until=1h',
    'image prune -f --filter label=nope',
    'container prune -f --filter label=nope',
    'login --password-stdin localhost:1',
    'login -p b localhost:1',
    'logout localhost:1',
    'search --limit 101 anything',
  ];
  for (const line of lines) {
    test(`gantry ${line}: as the official client`, async () => {
      const [official, ours] = [await daemon.docker(...line.split(' ')), await daemon.gantry(...line.split(' '))];
      assert.equal(timeless(ours.stdout), timeless(official.stdout));
      assert.equal(timeless(ours.stderr), timeless(official.stderr));
      assert.equal(ours.code, official.code);
    });
  }

  test('stats draws again while it runs, and shows what it costs', async () => {
    const shown = await daemon.gantry('stats', '--no-stream', 'runs');
    assert.match(shown.stdout, /^CONTAINER ID {3}NAME +CPU % +MEM USAGE \/ LIMIT +MEM % +NET I\/O +BLOCK I\/O +PIDS\n/);
    assert.match(shown.stdout, /\bruns +\d+\.\d\d% +[\d.]+[KM]iB \/ [\d.]+GiB /);
  });

  test('a prune asks first, removes what is unused, and says what', async () => {
    const [id] = (await daemon.docker('ps', '-aq', '--no-trunc', '--filter', 'name=ended')).stdout.split('\n');
    const asked = await daemon.gantry('container', 'prune');
    assert.match(
      asked.stdout,
      /^WARNING! This will remove all stopped containers\.\nAre you sure you want to continue\? \[y\/N\]/,
    );
    assert.equal((await daemon.docker('inspect', 'ended')).code, 0, 'no answer is no');
    const pruned = await daemon.gantry('container', 'prune', '-f');
    assert.equal(pruned.stdout, `Deleted Containers:\n${id}\n\nTotal reclaimed space: 0B\n`);
    assert.equal((await daemon.docker('inspect', 'runs')).code, 0);
    await daemon.docker('network', 'create', 'lonely');
    const all = await daemon.gantry('system', 'prune', '-af', '--volumes');
    assert.match(all.stdout, /^Deleted Networks:\nlonely\n/);
    assert.match(all.stdout, /Deleted Images:\n(.*\n)*untagged: derived:v1\ndeleted: sha256:[0-9a-f]{64}\n/);
    assert.match(all.stdout, /Total reclaimed space: \d/);
    assert.doesNotMatch(all.stdout, /kept/, 'a volume with a name stays');
    assert.match((await daemon.docker('images')).stdout, /busybox/, 'an image in use stays');
  });
});
