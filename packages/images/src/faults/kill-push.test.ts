import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { StateStore } from '@gantry/store';
import type { ImageStore } from '../face.ts';
import { openImageStore } from '../open-image-store.ts';
import { layerOf, TestRegistry } from '../pull/test-registry.ts';

const ROUNDS = Number(process.env.GANTRY_FAULT_ROUNDS ?? (process.env.CI ? 8 : 4));
const ROOT = { skip: process.getuid?.() !== 0 && 'needs root' };
const options = { platform: undefined, authorization: undefined };
const never = new AbortController().signal;

test('kill -9 in the middle of pushes harms no image and leaks no file, and the next push is whole', ROOT, async () => {
  const root = mkdtempSync(join(tmpdir(), 'gantry-kill-push-'));
  await using registry = await TestRegistry.start();
  try {
    let digest: string;
    {
      // The registry that the image comes from is gone when it is pushed.
      await using source = await TestRegistry.start();
      digest = source.putImage('pulled', 'v1', ['one', 'two', 'three']).digest;
      await withStore(root, async store => {
        await store.pull(`${source.host}/pulled:v1`, options, () => {}, never);
        await store.tag(`${source.host}/pulled:v1`, 'pulled:v1');
        await store.untag(`${source.host}/pulled:v1`);
        const imported = { reference: 'fresh:v1', message: '', config: {}, platform: undefined };
        await store.import(Readable.from([layerOf('fresh')]), imported, never);
      });
    }
    const fresh = new Set<string>();
    for (let round = 0; round < ROUNDS; round++) {
      for (const name of await runAndKill(root, registry.host, round)) checkPushed(registry, name, digest, fresh);
      await withStore(root, store => checkStore(root, store, registry, digest, fresh));
      registry.uploads.clear();
      registry.blobs.clear();
    }
    assert.equal(fresh.size, 1, 'what is compressed here is the same each time');
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});

async function withStore(root: string, work: (store: ImageStore) => Promise<void>): Promise<void> {
  using state = new StateStore(join(root, 'state.db'));
  await using store = await openImageStore({ root: join(root, 'images'), runDir: root, store: state });
  await work(store);
}

/** Lets the child work for a random while; returns the names whose push it has acknowledged. */
async function runAndKill(root: string, host: string, round: number): Promise<string[]> {
  const script = new URL('./kill-push.child.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [script, root, host, String(round)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = new Promise(resolve => child.once('exit', resolve));
  let text = '';
  for await (const part of child.stdout.setEncoding('utf8')) {
    if (text === '') setTimeout(() => child.kill('SIGKILL'), Math.random() * 600);
    text += part;
  }
  await exited;
  const lines = text.split('\n').slice(0, -1);
  return lines.filter(line => line.startsWith('+')).map(line => line.slice(1 + host.length + 1));
}

/** What was acknowledged is whole in the registry, under the digest that it must have. */
function checkPushed(registry: TestRegistry, name: string, digest: string, fresh: Set<string>): void {
  const manifest = registry.manifests.get(name);
  assert.ok(manifest, `${name} was acknowledged and is not there`);
  const document = JSON.parse(manifest.bytes.toString());
  for (const blob of [document.config, ...document.layers]) assert.ok(registry.blobs.has(blob.digest), blob.digest);
  const repository = name.split(':')[0] ?? '';
  if (name.startsWith('pulled'))
    assert.ok(registry.manifests.has(`${repository}@${digest}`), `${name}: another digest`);
  else fresh.add(document.layers[0].digest);
}

async function checkStore(
  root: string,
  store: ImageStore,
  registry: TestRegistry,
  digest: string,
  fresh: Set<string>,
): Promise<void> {
  for (const kind of ['pulled', 'fresh']) {
    // Saving rebuilds every layer and checks its digest.
    await buffer(await store.save([`${kind}:v1`], { platforms: [] }, never));
    const name = `${registry.host}/${kind}-last:v1`;
    await store.tag(`${kind}:v1`, name);
    await store.push(name, options, () => {}, never);
    checkPushed(registry, `${kind}-last:v1`, digest, fresh);
  }
  for (const image of store.list()) {
    for (const name of image.repoTags) if (name.startsWith(registry.host)) await store.untag(name);
  }
  assert.equal(store.list().length, 2);
  await store.settled();
  const folder = join(root, 'images', store.driver);
  const layers = store.list().flatMap(({ id }) => store.layers(id));
  assert.equal(readdirSync(join(folder, 'l')).filter(name => name !== 'empty').length, layers.length);
  for (const name of ['incoming', 'trash', 'c']) assert.deepEqual(readdirSync(join(folder, name)), [], name);
  const wanted = new Set(store.list().flatMap(({ id, target }) => [id, target]));
  const blobs = readdirSync(join(root, 'images', 'blobs', 'sha256'));
  assert.ok(blobs.length <= 2 * wanted.size, `${blobs.length} documents for ${wanted.size}`);
}
