import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { rootOnly } from '../harness/skip.ts';

describe('disk usage', { skip: rootOnly }, () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await startDaemon();
  });
  after(async () => {
    await daemon[Symbol.asyncDispose]();
  });

  async function ok(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await daemon.docker(...args);
    assert.equal(code, 0, `docker ${args.join(' ')}: ${stderr}`);
    return stdout;
  }

  test('volumes and containers are measured, and what prune gives back is counted', async () => {
    const write = 'dd if=/dev/zero of=/v/a bs=1000 count=5 && ln /v/a /v/b && ln -s /v/a /v/l && mkdir /v/d';
    await ok('volume', 'create', 'named');
    await ok('run', '--name', 'one', '-v', 'named:/v', 'busybox', 'sh', '-c', `${write} && head -c 300 /dev/zero > /x`);
    const volumes = JSON.parse((await daemon.api('GET', '/v1.51/system/df?type=volume')).body).Volumes;
    assert.equal(volumes.length, 1);
    // A file with two names counts once, a symbolic link by its text, directories not at all.
    assert.deepEqual(volumes[0].UsageData, { RefCount: 1, Size: 5004 });
    const containers = JSON.parse((await daemon.api('GET', '/v1.51/system/df?type=container')).body).Containers;
    assert.equal(containers[0].SizeRw, 300);
    const images = JSON.parse((await daemon.api('GET', '/v1.51/system/df?type=image')).body);
    const total = images.Images.reduce((sum: number, { Size }: { Size: number }) => sum + Size, 0);
    assert.ok(total > 1_000_000);
    assert.equal(images.LayersSize, total);

    assert.match(await ok('container', 'prune', '-f'), /Total reclaimed space: 300B/);
    assert.match(await ok('volume', 'prune', '-f', '-a'), /^named\n\nTotal reclaimed space: 5.004kB/m);
    assert.match(await ok('image', 'prune', '-f', '-a'), /Total reclaimed space: \d+(\.\d+)?MB/);
    assert.equal(JSON.parse((await daemon.api('GET', '/v1.51/system/df')).body).LayersSize, 0);
  });
});
