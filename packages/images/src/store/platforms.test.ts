import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { digestOf, hostPlatform, MediaType, type Platform, parsePlatform } from '@gantry/oci';
import { StateStore } from '@gantry/store';
import { imageArchive, type LayoutImage } from '../archive/layout.ts';
import type { ImageStore } from '../face.ts';
import { openImageStore } from '../open-image-store.ts';
import { endOfArchive, paddingAfter, plainHeader } from '../tar/writer.ts';
import { saveArchive } from '../worker/save-task.ts';

const signal = new AbortController().signal;
const host = hostPlatform();
const foreign: Platform = { os: 'linux', architecture: host.architecture === 'amd64' ? 'arm64' : 'amd64' };
const arm = parsePlatform('linux/arm/v7');

function layer(text: string): Buffer {
  const bytes = Buffer.from(text);
  const header = plainHeader({ name: 'file', type: 'file', mode: 0o644, sizeBytes: bytes.length, mtime: 1000 });
  return Buffer.concat([header, bytes, paddingAfter(bytes.length), endOfArchive()]);
}

function image(platform: Platform, names: readonly string[], text = ''): LayoutImage & { id: string } {
  const bytes = layer(`${text} for ${platform.architecture}`);
  const rootfs = { type: 'layers', diff_ids: [digestOf(bytes)] };
  const configBytes = Buffer.from(JSON.stringify({ ...platform, config: {}, rootfs }));
  return { configBytes, created: 0, names, layers: [{ diffId: digestOf(bytes), bytes }], id: digestOf(configBytes) };
}

const archiveOf = (...images: LayoutImage[]): Buffer =>
  Buffer.concat(Array.from(saveArchive(imageArchive(images)), piece => Buffer.from(piece)));

describe('images of several platforms', { skip: process.getuid?.() !== 0 && 'needs root' }, () => {
  let root = '';
  let state: StateStore;
  let store: ImageStore;

  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'gantry-platforms-'));
    state = new StateStore(join(root, 'state.db'));
    store = await openImageStore({ root: join(root, 'images'), runDir: root, store: state });
  });
  afterEach(async () => {
    await store[Symbol.asyncDispose]();
    state[Symbol.dispose]();
    rmSync(root, { recursive: true, force: true });
  });

  const load = async (archive: Buffer, platforms: readonly Platform[] = []): Promise<string[]> => {
    const lines: string[] = [];
    await store.load(
      Readable.from([archive]),
      { platforms },
      ({ stream }) => void (stream && lines.push(stream)),
      signal,
    );
    return lines;
  };
  const save = async (refs: readonly string[], platforms: readonly Platform[] = []): Promise<Buffer> =>
    await buffer(await store.save(refs, { platforms }, signal));

  const own = image(host, ['several:1']);
  const other = image(foreign, []);
  const third = image(arm, []);
  const several = archiveOf({ ...own, beside: [third, other] });

  test('all platforms of an archive live under one name, the one of this machine first', async () => {
    assert.deepEqual(await load(several), ['Loaded image: several:1\n']);
    assert.equal(store.get('several:1').id, own.id);
    assert.equal(store.get('several:1', foreign).id, other.id);
    assert.equal(store.get('several:1', arm).id, third.id);
    assert.throws(() => store.get('several:1', parsePlatform('linux/s390x')), {
      kind: 'notFound',
      message:
        /image with reference several:1 was found but its platform \(.*\) does not match the specified platform \(linux\/s390x\)/,
    });
    const { target, manifests } = store.manifests(own.id);
    assert.equal(target?.mediaType, MediaType.ociIndex);
    assert.deepEqual(
      manifests.map(({ image, kind }) => [image?.id, kind]),
      [own, third, other].map(({ id }) => [id, 'image']),
    );
    assert.deepEqual(store.get(other.id).besideNames, ['several:1']);
  });

  test('platforms that are loaded one after the other meet under their name; what is missing is listed as such', async () => {
    await load(several, [arm]);
    assert.equal(store.get('several:1').id, third.id);
    await load(several, [host]);
    assert.equal(store.get('several:1').id, own.id);
    assert.equal(store.get('several:1', arm).id, third.id);
    assert.deepEqual(
      store.manifests(own.id).manifests.map(({ image }) => image?.id),
      [own.id, third.id, undefined],
    );
    await assert.rejects(load(several, [parsePlatform('linux/s390x')]), /no image for the platform linux\/s390x/);
  });

  test('save writes all platforms or the chosen ones, and load reads them back', async () => {
    await load(several);
    const all = await save(['several:1']);
    assert.ok(all.equals(several), 'the archive comes back byte for byte');
    const one = await save(['several:1'], [foreign]);
    assert.ok(one.equals(archiveOf({ ...other, names: ['several:1'] })));
    await assert.rejects(save(['several:1'], [parsePlatform('linux/s390x')]), {
      kind: 'system',
      message: 'no suitable export target found for platform linux/s390x',
    });
  });

  test('a second name has all platforms too; they go with the last name', async () => {
    await load(several);
    await store.tag('several:1', 'again:2');
    assert.equal(store.get('again:2', foreign).id, other.id);
    assert.deepEqual(await store.untag('several:1'), []);
    assert.deepEqual([...(await store.untag('again:2'))].sort(), [other.id, third.id].sort());
  });

  test('one platform can leave, and the others keep the name', async () => {
    await load(several);
    await store.leavePlatforms(own.id);
    await store.delete(own.id, { noPrune: false });
    assert.notEqual(store.get('several:1').id, own.id);
    assert.equal(store.get('several:1', foreign).id, other.id);
    assert.throws(() => store.get('several:1', host), { kind: 'notFound' });
    assert.equal(store.manifests(other.id).manifests.length, 3);
    await load(several, [host]);
    assert.equal(store.get('several:1').id, own.id);
  });

  test('a name that is given to another index leaves none of the old platforms behind it', async () => {
    await load(several);
    const newer = image(host, ['several:1'], 'newer');
    await load(archiveOf({ ...newer, beside: [image(arm, [], 'newer')] }));
    assert.equal(store.get('several:1').id, newer.id);
    assert.throws(() => store.get('several:1', foreign), { kind: 'notFound' });
    assert.deepEqual(store.get(other.id).besideNames, []);
  });
});
