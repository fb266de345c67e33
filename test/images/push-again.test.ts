import assert from 'node:assert/strict';
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { layerOf, TestRegistry as SourceRegistry } from '../../packages/images/src/pull/test-registry.ts';
import { digestOf, MediaType } from '../../packages/oci/src/index.ts';
import { startCuttingProxy } from '../harness/cutting-proxy.ts';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { until } from '../harness/raw.ts';
import { noRegistry, startRegistry, type TestRegistry } from '../harness/registry.ts';
import { rootOnly } from '../harness/skip.ts';

/** An image whose layers are compressed in ways of which this engine writes none itself. */
function putForeignImage(
  source: SourceRegistry,
  text: string,
): { digest: string; layers: readonly { size: number }[] } {
  const archives = [1, 2, 3].map(n => layerOf(`${text}${n}`));
  const [first = Buffer.alloc(0), second = first, third = first] = archives;
  const layers = [
    source.putBlob(gzipSync(first, { level: 9 }), MediaType.ociLayerGzip),
    source.putBlob(zstdCompressSync(second), MediaType.ociLayerZstd),
    source.putBlob(third, MediaType.ociLayer),
  ];
  const rootfs = { type: 'layers', diff_ids: archives.map(digestOf) };
  const config = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', config: {}, rootfs }));
  const manifest = {
    schemaVersion: 2,
    mediaType: MediaType.ociManifest,
    config: source.putBlob(config, MediaType.ociConfig),
    layers,
  };
  return { ...source.putManifest(text, 'v1', manifest, MediaType.ociManifest), layers };
}

describe('what was pulled is pushed again', { skip: rootOnly || noRegistry }, () => {
  let daemon: TestDaemon;
  let registry: TestRegistry;

  before(async () => {
    daemon = await startDaemon();
    registry = await startRegistry();
  });
  after(async () => {
    await registry[Symbol.asyncDispose]();
    await daemon[Symbol.asyncDispose]();
  });

  async function ok(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await daemon.docker(...args);
    assert.equal(code, 0, `docker ${args.join(' ')}: ${stderr}`);
    return stdout;
  }

  /** Pulls a foreign image from a registry that is gone afterwards. */
  async function pullForeign(
    text: string,
    by = daemon,
  ): Promise<{ name: string; digest: string; layers: readonly { size: number }[] }> {
    await using source = await SourceRegistry.start();
    const image = putForeignImage(source, text);
    const name = `${source.host}/${text}:v1`;
    const { code, stderr } = await by.docker('pull', name);
    assert.equal(code, 0, stderr);
    return { name, ...image };
  }

  /** The files of compressed blobs that are kept beside layers. */
  function keptBlobs(of = daemon): string[] {
    const folder = join(of.dataRoot, 'images/overlay2/l');
    return readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter(name => /^[^/]+\/blob$/.test(name))
      .map(name => join(folder, name));
  }

  test('under its digest, without the registry it came from, after a kill -9 and the removal of its first name', async () => {
    const { name, digest } = await pullForeign('gone');
    const pushed = `${registry.host}/again:v1`;
    await ok('tag', name, pushed);
    await ok('rmi', name);
    await daemon.end('SIGKILL');
    await daemon.start();
    assert.match(await ok('push', pushed), new RegExp(`^v1: digest: ${digest} size: \\d+$`, 'm'));
    const { headers } = await registry.api('/v2/again/manifests/v1', { Accept: MediaType.ociManifest });
    assert.equal(headers['docker-content-digest'], digest);
    await ok('rmi', pushed);
    assert.deepEqual(keptBlobs(), []);
  });

  test('also once its blobs were condensed, which is a job that begins when no image was transferred for a while', async () => {
    await using quick = await startDaemon({ flags: ['--condense-after', '1'] });
    const { name, digest } = await pullForeign('condensed', quick);
    await until(async () => {
      const { stdout } = await quick.gantry('system', 'jobs', '--filter', 'verb=image.condense');
      return (stdout.match(/^\S+ +image\.condense +sha256:\S+ .*done/gm)?.length ?? 0) < 2 ? stdout : undefined;
    });
    // One is not gzip and stays.
    assert.equal(keptBlobs(quick).length, 1);
    await quick.end('SIGKILL');
    await quick.start();
    const pushed = `${registry.host}/condensed:v1`;
    assert.equal((await quick.docker('tag', name, pushed)).code, 0);
    const { stdout, stderr } = await quick.docker('push', pushed);
    assert.match(stdout, new RegExp(`^v1: digest: ${digest} size: \\d+$`, 'm'), stderr);
    assert.equal((await quick.docker('rmi', name, pushed)).code, 0);
    assert.deepEqual(keptBlobs(quick), []);
  });

  test('a kept blob that was damaged on disk is refused by the registry, and the layer goes there all the same', async () => {
    const { name, layers } = await pullForeign('damaged');
    for (const path of keptBlobs()) writeFileSync(path, Buffer.alloc(statSync(path).size, 'x'));
    const pushed = `${registry.host}/damaged:v1`;
    await ok('tag', name, pushed);
    assert.match(await ok('push', pushed), /^v1: digest: sha256:/m);
    assert.equal(keptBlobs().length, layers.length - 1, 'an uncompressed layer needs no second copy');
    await ok('rmi', name, pushed);
    assert.match(await ok('pull', pushed), /Downloaded newer image/);
    await ok('rmi', pushed);
  });

  // Debian's registry forgets an upload whose connection breaks. One that does not: packages/images/src/push/push.test.ts.
  test('an upload that breaks and is forgotten by the registry begins anew', async () => {
    const { name, digest } = await pullForeign('broken');
    await using proxy = await startCuttingProxy(registry.host, 300_000, 1);
    const pushed = `${proxy.host}/broken:v1`;
    await ok('tag', name, pushed);
    const output = await ok('push', pushed);
    assert.match(output, /^[0-9a-f]{12}: Retrying in 1 second$/m);
    assert.match(output, new RegExp(`^v1: digest: ${digest} `, 'm'));
    await ok('rmi', name, pushed);
  });

  test('so does one of a layer that is compressed on its way', async () => {
    await using proxy = await startCuttingProxy(registry.host, 300_000, 1);
    const pushed = `${proxy.host}/fresh:v1`;
    await ok('tag', 'busybox', pushed);
    assert.match(await ok('push', pushed), /^[0-9a-f]{12}: Retrying in 1 second$/m);
    await ok('rmi', pushed);
    await using other = await startDaemon({ images: [] });
    const pulled = await other.docker('pull', `${registry.host}/fresh:v1`);
    assert.equal(pulled.code, 0, pulled.stderr);
  });
});
