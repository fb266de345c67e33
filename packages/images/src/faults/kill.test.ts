import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { StateStore } from '@gantry/store';
import { openImageStore } from '../open-image-store.ts';
import { imageOf } from './kill.images.ts';

const ROUNDS = Number(process.env.GANTRY_FAULT_ROUNDS ?? 6);
const ROOT = { skip: process.getuid?.() !== 0 && 'needs root' };

test('kill -9 at any moment loses no image that was reported, and leaves no half one', ROOT, async () => {
  const root = mkdtempSync(join(tmpdir(), 'gantry-kill-'));
  const present = new Set<string>();
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const unsure = await runAndKill(root, present);
      await check(root, present, unsure);
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});

/** Lets the child work for a random while after its first word; returns the image whose removal was cut off. */
async function runAndKill(root: string, present: Set<string>): Promise<string | undefined> {
  const script = new URL('./kill.child.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [script, root], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = new Promise(resolve => child.once('exit', resolve));
  let text = '';
  for await (const part of child.stdout.setEncoding('utf8')) {
    if (text === '') setTimeout(() => child.kill('SIGKILL'), Math.random() * 150);
    text += part;
  }
  await exited;
  let unsure: string | undefined;
  for (const line of text.split('\n').slice(0, -1)) {
    const id = line.slice(1);
    if (line.startsWith('+')) present.add(id);
    if (line.startsWith('-')) present.delete(id);
    unsure = line.startsWith('?') ? id : undefined;
  }
  return unsure;
}

async function check(root: string, present: Set<string>, unsure: string | undefined): Promise<void> {
  using state = new StateStore(join(root, 'state.db'));
  await using store = await openImageStore({ root: join(root, 'images'), runDir: root, store: state });
  const known = new Set([0, 1, 2].map(n => imageOf(n).id));
  const found = new Set(store.list().map(image => image.id));
  for (const id of present) if (id !== unsure) assert.ok(found.has(id), `${id} was reported and is lost`);
  for (const id of found) {
    // Saving rebuilds every layer and checks its digest.
    await buffer(await store.save([id], { platforms: [] }, new AbortController().signal));
    if (known.has(id)) {
      assert.equal(store.get(id).repoTags.length, 1);
      present.add(id);
    } else {
      // A commit or an import that was whole when the end came: an image without a name, which can be removed.
      assert.deepEqual(store.get(id).repoTags, []);
      await store.delete(id, { noPrune: true });
      found.delete(id);
    }
  }
  if (unsure !== undefined && !found.has(unsure)) present.delete(unsure);
  for (const id of store.containerLayers()) await store.removeContainerLayer(id);
  await store.settled();
  const layers = new Set([...found].flatMap(id => store.layers(id).map(layer => layer.diffId)));
  const folder = join(root, 'images', store.driver);
  assert.equal(readdirSync(join(folder, 'l')).filter(name => name !== 'empty').length, layers.size);
  for (const name of ['incoming', 'trash', 'c']) assert.deepEqual(readdirSync(join(folder, name)), [], name);
  assert.equal(readdirSync(join(root, 'images', 'blobs', 'sha256')).length, found.size);
}
