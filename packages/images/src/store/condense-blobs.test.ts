import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import { digestOf, MediaType } from '@gantry/oci';
import { StateStore } from '@gantry/store';
import type { ImageStore } from '../face.ts';
import { openImageStore } from '../open-image-store.ts';
import { layerOf, TestRegistry } from '../pull/test-registry.ts';

const ROOT = { skip: process.getuid?.() !== 0 && 'needs root' };
const ROUNDS = Number(process.env.GANTRY_FAULT_ROUNDS ?? (process.env.CI ? 6 : 3));
const never = new AbortController().signal;
const options = { platform: undefined, authorization: undefined };
const words = (size: number): Buffer => {
  const noise = randomBytes(size / 20);
  return Buffer.concat(Array.from({ length: size / 20 }, (_, i) => Buffer.from(`a line with ${noise[i]} in it\n`)));
};

/** A store with its folder, and the image `image:v1` of these archives, from a registry that is gone. */
async function withPulled(
  archives: readonly Buffer[],
  work: (at: { store: ImageStore; root: string; layers: string; digest: string; sizes: number[] }) => Promise<void>,
): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'gantry-condense-'));
  try {
    using state = new StateStore(join(root, 'state.db'));
    await using store = await openImageStore({ root: join(root, 'images'), runDir: root, store: state });
    const { digest, sizes } = await pullImage(store, archives);
    await work({ store, root, layers: join(root, `images/${store.driver}/l`), digest, sizes });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

async function pullImage(store: ImageStore, archives: readonly Buffer[]): Promise<{ digest: string; sizes: number[] }> {
  await using source = await TestRegistry.start();
  const { digest, layers } = source.putImage('image', 'v1', archives);
  await store.pull(`${source.host}/image:v1`, options, () => {}, never);
  await store.tag(`${source.host}/image:v1`, 'image:v1');
  await store.untag(`${source.host}/image:v1`);
  return { digest, sizes: layers.map(({ size }) => size) };
}

/** Pushes `image:v1` to a registry that has nothing; returns the digest that it has there. */
async function pushedDigest(store: ImageStore): Promise<string> {
  await using to = await TestRegistry.start();
  const name = `${to.host}/image:v1`;
  await store.tag('image:v1', name);
  try {
    await store.push(name, options, () => {}, never);
  } finally {
    await store.untag(name);
  }
  const manifest = to.manifests.get('image:v1');
  assert.ok(manifest);
  for (const { digest, size } of JSON.parse(manifest.bytes.toString()).layers)
    assert.equal(to.blobs.get(digest)?.length, size);
  return digestOf(manifest.bytes);
}

async function condenseAll(store: ImageStore): Promise<void> {
  for (const digest of await store.blobsToCondense()) await store.condense(digest, never);
}

const filesNamed = (layers: string, pattern: RegExp): string[] =>
  readdirSync(layers, { recursive: true, encoding: 'utf8' })
    .filter(name => pattern.test(name))
    .map(name => join(layers, name));

describe('kept blobs are condensed', ROOT, () => {
  test('to a small part of their size, and are pushed as they came, also by the next process', async () => {
    const archives = [layerOf('text', words(2_000_000)), layerOf('noise', randomBytes(500_000))];
    await withPulled(archives, async ({ store, layers, digest, sizes }) => {
      assert.equal((await store.blobsToCondense()).length, 2);
      await condenseAll(store);
      assert.deepEqual(filesNamed(layers, /\/(blob|deflate\.new)$/), []);
      const records = filesNamed(layers, /\/deflate$/);
      assert.equal(records.length, 2);
      const total = (list: readonly number[]): number => list.reduce((sum, size) => sum + size, 0);
      assert.ok(total(records.map(path => statSync(path).size)) < total(sizes) / 4);
      assert.deepEqual(await store.blobsToCondense(), []);
      assert.equal(await pushedDigest(store), digest);
    });
  });

  test('but those that are not gzip, which are asked about once', async () => {
    const root = mkdtempSync(join(tmpdir(), 'gantry-condense-'));
    try {
      using state = new StateStore(join(root, 'state.db'));
      const open = (): Promise<ImageStore> =>
        openImageStore({ root: join(root, 'images'), runDir: root, store: state });
      {
        await using store = await open();
        await using source = await TestRegistry.start();
        const archive = layerOf('zstd');
        const layer = source.putBlob(zstdCompressSync(archive), MediaType.ociLayerZstd);
        const rootfs = { type: 'layers', diff_ids: [digestOf(archive)] };
        const config = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', config: {}, rootfs }));
        const manifest = {
          schemaVersion: 2,
          mediaType: MediaType.ociManifest,
          config: source.putBlob(config, MediaType.ociConfig),
          layers: [layer],
        };
        source.putManifest('image', 'v1', manifest, MediaType.ociManifest);
        await store.pull(`${source.host}/image:v1`, options, () => {}, never);
        assert.deepEqual(await store.blobsToCondense(), [layer.digest]);
        await condenseAll(store);
        assert.equal(filesNamed(join(root, `images/${store.driver}/l`), /\/blob$/).length, 1);
      }
      await using store = await open();
      assert.deepEqual(await store.blobsToCondense(), []);
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });

  test('until somebody wants the threads: what was begun leaves nothing', async () => {
    await withPulled([layerOf('text', words(4_000_000))], async ({ store, layers, digest }) => {
      const [blob = ''] = await store.blobsToCondense();
      const stop = new AbortController();
      const condensing = store.condense(blob, stop.signal);
      setTimeout(() => stop.abort(), 50);
      await assert.rejects(condensing, { kind: 'cancelled' });
      assert.equal(filesNamed(layers, /\/blob$/).length, 1);
      assert.deepEqual(filesNamed(layers, /\/deflate/), []);
      assert.equal(await pushedDigest(store), digest);
    });
  });

  test('only where the layer is what it was: a blob whose layer was changed stays', async () => {
    await withPulled([layerOf('text', words(100_000))], async ({ store, layers }) => {
      const [content = ''] = filesNamed(layers, /\/diff\/.*text$/);
      writeFileSync(content, Buffer.from(readFileSync(content)).fill('x', 0, 10));
      const [blob = ''] = await store.blobsToCondense();
      await assert.rejects(store.condense(blob, never), /was changed on disk|is not the one of its deflate record/);
      assert.equal(filesNamed(layers, /\/blob$/).length, 1);
      assert.deepEqual(filesNamed(layers, /\/deflate/), []);
    });
  });

  test('and where the record was damaged since, the layer is pushed all the same, as another blob', async () => {
    await withPulled([layerOf('text', words(100_000))], async ({ store, layers, digest }) => {
      await condenseAll(store);
      const [record = ''] = filesNamed(layers, /\/deflate$/);
      const bytes = readFileSync(record);
      const at = bytes.length - 20;
      bytes[at] = (bytes[at] ?? 0) ^ 0x55;
      writeFileSync(record, bytes);
      assert.notEqual(await pushedDigest(store), digest);
    });
  });

  test(`kill -9 in the middle leaves the blob, or a record that makes it, in ${ROUNDS} rounds`, async () => {
    const archives = [layerOf('text', words(600_000)), layerOf('more', words(200_000))];
    const root = mkdtempSync(join(tmpdir(), 'gantry-condense-'));
    const withStore = async (work: (store: ImageStore) => Promise<void>): Promise<void> => {
      using state = new StateStore(join(root, 'state.db'));
      await using store = await openImageStore({ root: join(root, 'images'), runDir: root, store: state });
      await work(store);
    };
    try {
      for (let round = 0; round < ROUNDS; round++) {
        let digest = '';
        await withStore(async store => {
          ({ digest } = await pullImage(store, archives));
        });
        await condenseAndKill(root);
        await withStore(async store => {
          assert.equal(await pushedDigest(store), digest);
          await condenseAll(store);
          assert.equal(await pushedDigest(store), digest);
          const layers = join(root, `images/${store.driver}/l`);
          assert.deepEqual(filesNamed(layers, /\/(blob|deflate\.new)$/), []);
          await store.untag('image:v1');
          for (const { id } of store.list()) await store.delete(id, { noPrune: false });
          await store.settled();
          assert.deepEqual(
            readdirSync(layers).filter(name => name !== 'empty'),
            [],
          );
        });
      }
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });
});

/** Lets another process condense what is there, and kills it at a random moment. */
async function condenseAndKill(root: string): Promise<void> {
  const script = new URL('../faults/kill-condense.child.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [script, root], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = new Promise(resolve => child.once('exit', resolve));
  await new Promise(ready => child.stdout.once('data', ready));
  setTimeout(() => child.kill('SIGKILL'), Math.random() * 250);
  await exited;
}
