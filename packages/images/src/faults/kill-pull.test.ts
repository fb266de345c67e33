import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { StateStore } from '@gantry/store';
import { openImageStore } from '../open-image-store.ts';
import { TestRegistry } from '../pull/test-registry.ts';

const ROUNDS = Number(process.env.GANTRY_FAULT_ROUNDS ?? 6);
const ROOT = { skip: process.getuid?.() !== 0 && 'needs root' };

test('kill -9 in the middle of pulls leaves no half image, loses no whole one, and leaks no file', ROOT, async () => {
  const root = mkdtempSync(join(tmpdir(), 'gantry-kill-pull-'));
  await using registry = await TestRegistry.start();
  for (let n = 0; n < 3; n++) registry.putImage('kill', `v${n}`, ['shared', `own${n}`, `more${n}`]);
  const present = new Set<string>();
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const unsure = await runAndKill(root, registry.host, present);
      await check(root, present, unsure);
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});

/** Lets the child work for a random while; returns the image whose removal was cut off. */
async function runAndKill(root: string, host: string, present: Set<string>): Promise<string | undefined> {
  const script = new URL('./kill-pull.child.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [script, root, host], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = new Promise(resolve => child.once('exit', resolve));
  let text = '';
  for await (const part of child.stdout.setEncoding('utf8')) {
    if (text === '') setTimeout(() => child.kill('SIGKILL'), Math.random() * 400);
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
  const found = new Set(store.list().map(image => image.id));
  for (const id of present) if (id !== unsure) assert.ok(found.has(id), `${id} was reported and is lost`);
  for (const id of found) {
    // Saving rebuilds every layer and checks its digest.
    await buffer(await store.save([id], { platforms: [] }, new AbortController().signal));
    assert.equal(store.get(id).repoTags.length, 1);
    present.add(id);
  }
  if (unsure !== undefined && !found.has(unsure)) present.delete(unsure);
  await store.settled();
  const layers = new Set([...found].flatMap(id => store.layers(id).map(layer => layer.diffId)));
  const folder = join(root, 'images', store.driver);
  assert.equal(readdirSync(join(folder, 'l')).filter(name => name !== 'empty').length, layers.size);
  for (const name of ['incoming', 'trash', 'c']) assert.deepEqual(readdirSync(join(folder, name)), [], name);
  // A configuration and a manifest each.
  assert.equal(readdirSync(join(root, 'images', 'blobs', 'sha256')).length, 2 * found.size);
  assert.deepEqual(readdirSync(join(root, 'images', 'partial')), []);
}
