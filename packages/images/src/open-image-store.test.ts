import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { digestOf, MediaType } from '@gantry/oci';
import { StateStore } from '@gantry/store';
import { imageArchive, type LayoutImage } from './archive/layout.ts';
import type { ImageStore } from './face.ts';
import { openImageStore } from './open-image-store.ts';
import { seedImages } from './seed.ts';
import { endOfArchive, paddingAfter, plainHeader } from './tar/writer.ts';
import { saveArchive } from './worker/save-task.ts';

const signal = new AbortController().signal;

function tar(files: Readonly<Record<string, string | Buffer>>): Buffer {
  const parts = Object.entries(files).flatMap(([name, content]) => {
    const bytes = Buffer.from(content);
    const member = { name, type: 'file', mode: 0o644, sizeBytes: bytes.length, mtime: 1000 } as const;
    return [plainHeader(member), bytes, paddingAfter(bytes.length)];
  });
  return Buffer.concat([...parts, endOfArchive()]);
}

function image(layers: readonly Buffer[], names: readonly string[], extra: object = {}): LayoutImage & { id: string } {
  const diffIds = layers.map(digestOf);
  const config = {
    architecture: 'amd64',
    os: 'linux',
    config: {},
    rootfs: { type: 'layers', diff_ids: diffIds },
    ...extra,
  };
  const configBytes = Buffer.from(JSON.stringify(config));
  const withIds = layers.map(bytes => ({ diffId: digestOf(bytes), bytes }));
  return { configBytes, created: 1000, names, layers: withIds, id: digestOf(configBytes) };
}

const archiveOf = (...images: LayoutImage[]): Buffer =>
  Buffer.concat(Array.from(saveArchive(imageArchive(images)), piece => Buffer.from(piece)));

async function load(store: ImageStore, archive: Buffer): Promise<string[]> {
  const lines: string[] = [];
  await store.load(
    Readable.from([archive]),
    { platforms: [] },
    ({ stream }) => void (stream && lines.push(stream)),
    signal,
  );
  return lines;
}

for (const driver of ['overlay2', 'vfs']) {
  describe(`the image store on ${driver}`, { skip: process.getuid?.() !== 0 && 'needs root' }, () => {
    let root = '';
    let state: StateStore;
    let store: ImageStore;

    const open = async (): Promise<ImageStore> =>
      await openImageStore({ root: join(root, 'images'), runDir: root, store: state, storageDriver: driver });

    beforeEach(async () => {
      root = mkdtempSync(join(tmpdir(), 'gantry-images-'));
      state = new StateStore(join(root, 'state.db'));
      store = await open();
    });

    afterEach(async () => {
      await store[Symbol.asyncDispose]();
      state[Symbol.dispose]();
      rmSync(root, { recursive: true, force: true });
    });

    const base = tar({ base: 'base' });
    const top = tar({ top: 'top' });
    const layerFolders = (): string[] =>
      readdirSync(join(root, 'images', driver, 'l')).filter(name => name !== 'empty');

    test('images are found by name, id and the beginning of an id, names first', async () => {
      const one = image([base], ['one:latest', 'one:v1', 'localhost:5000/one:x']);
      await load(store, archiveOf(one));
      for (const ref of [
        'one',
        'one:v1',
        'docker.io/library/one',
        'localhost:5000/one:x',
        one.id,
        one.id.slice(7),
        one.id.slice(7, 12),
        one.id.slice(0, 20),
      ]) {
        assert.equal(store.get(ref).id, one.id, ref);
      }
      assert.deepEqual(store.get('one').repoTags, ['one:latest', 'one:v1', 'localhost:5000/one:x']);
      assert.throws(() => store.get('two'), { kind: 'notFound', message: 'No such image: two:latest' });
      assert.throws(() => store.get('one:v2'), { message: 'No such image: one:v2' });
      const none = 'f'.repeat(64);
      assert.throws(() => store.get(none), { message: `No such image: sha256:${none}` });
      assert.throws(() => store.get('One'), { kind: 'invalidParameter' });
      const two = image([top], [`${one.id.slice(7, 12)}:latest`]);
      await load(store, archiveOf(two));
      assert.equal(store.get(one.id.slice(7, 12)).id, two.id);
    });

    test('a name moves with tag, goes with untag, and dangling images stay', async () => {
      const one = image([base], ['name:latest']);
      const two = image([base, top], ['name:latest']);
      assert.deepEqual(await load(store, archiveOf(one)), ['Loaded image: name:latest\n']);
      assert.deepEqual(await load(store, archiveOf(two)), [
        `The image name:latest already exists, renaming the old one with ID ${one.id} to empty string\n`,
        'Loaded image: name:latest\n',
      ]);
      assert.deepEqual(store.get(one.id).repoTags, []);
      await store.tag(one.id, 'other');
      assert.equal(store.get('other').id, one.id);
      assert.ok(store.get('other').lastTaggedAtMs > 0);
      await store.untag('other');
      await assert.rejects(store.untag('other'), { message: 'No such image: other:latest' });
      await assert.rejects(store.tag(`sha256:${'0'.repeat(64)}`, 'x'), { kind: 'notFound' });
      assert.equal(store.list().length, 2);
    });

    test('layers are shared, and go with the last image or container that has them', async () => {
      const one = image([base], ['one:latest']);
      const two = image([base, top], ['two:latest']);
      await load(store, archiveOf(one, two));
      assert.equal(layerFolders().length, 2);
      const chains = store.layers(two.id).map(layer => layer.chainId);
      await store.createContainerLayer('c1', two.id, { volatile: true });
      assert.deepEqual(await store.delete(two.id, { noPrune: false }), [two.id, chains[1]]);
      assert.equal(layerFolders().length, 2);
      await store.removeContainerLayer('c1');
      await store.settled();
      assert.equal(layerFolders().length, 1);
      assert.deepEqual(await store.delete(one.id, { noPrune: false }), [one.id, chains[0]]);
      await store.settled();
      assert.deepEqual(layerFolders(), []);
      assert.deepEqual(readdirSync(join(root, 'images', 'blobs', 'sha256')), []);
    });

    test('what is saved is what was loaded, layer by layer and byte by byte', async () => {
      const one = image([base, top], ['one:latest']);
      await load(store, archiveOf(one));
      const saved = await buffer(await store.save(['one'], { platforms: [] }, signal));
      assert.ok(saved.equals(archiveOf({ ...one, created: 0, names: ['docker.io/library/one:latest'] })));
      await store.delete(one.id, { noPrune: false });
      assert.deepEqual(await load(store, saved), ['Loaded image: one:latest\n']);
      assert.equal(store.get('one').id, one.id);
      const byId = await buffer(await store.save([one.id], { platforms: [] }, signal));
      await store.delete(one.id, { noPrune: false });
      assert.deepEqual(await load(store, byId), [`Loaded image ID: ${one.id}\n`]);
      await assert.rejects(store.save(['none:1'], { platforms: [] }, signal), { message: 'reference does not exist' });
      await assert.rejects(store.save(['none'], { platforms: [] }, signal), { message: 'No such image: none' });
    });

    test('archives and layers may be compressed, and an image without layers is one too', async () => {
      const compressed = gzipSync(archiveOf(image([base], ['gz:latest'])));
      assert.deepEqual(await load(store, compressed), ['Loaded image: gz:latest\n']);
      const zstd = zstdCompressSync(archiveOf(image([top], ['zst:latest'])));
      assert.deepEqual(await load(store, zstd), ['Loaded image: zst:latest\n']);
      const config = image([tar({ x: 'y' })], []);
      const [layer] = config.layers;
      const bytes = layer && 'bytes' in layer ? layer.bytes : Buffer.alloc(0);
      const legacy = tar({
        'c.json': Buffer.from(config.configBytes),
        'abc/layer.tar': gzipSync(bytes),
        'manifest.json': JSON.stringify([{ Config: 'c.json', RepoTags: ['old:1'], Layers: ['abc/layer.tar'] }]),
      });
      assert.deepEqual(await load(store, legacy), ['Loaded image: old:1\n']);
      const bare = image([], ['bare:latest']);
      assert.deepEqual(await load(store, archiveOf(bare)), ['Loaded image: bare:latest\n']);
      await store.createContainerLayer('bare', bare.id, { volatile: false });
      await store.removeContainerLayer('bare');
    });

    for (const program of ['xz', 'bzip2']) {
      const isThere = spawnSync(program, ['--version'], { stdio: 'ignore', input: '' }).status === 0;
      test(`an archive compressed with ${program} is read too`, {
        skip: !isThere && `this machine lacks ${program}`,
      }, async () => {
        const input = archiveOf(image([base], ['packed:latest']));
        const packed = execFileSync(program, ['-c'], { input });
        assert.deepEqual(await load(store, packed), ['Loaded image: packed:latest\n']);
        await assert.rejects(load(store, packed.subarray(0, packed.length - 20)), /invalid data|unexpected EOF/);
      });
    }

    test('an OCI layout is loaded by its index, with gzip layers and several platforms', async () => {
      const layer = gzipSync(base);
      const { configBytes, id } = image([base], []);
      const blobs: Record<string, Buffer> = {};
      const put = (bytes: Buffer, mediaType: string) => {
        blobs[`blobs/sha256/${digestOf(bytes).slice(7)}`] = bytes;
        return { mediaType, digest: digestOf(bytes), size: bytes.length };
      };
      const manifest = put(
        Buffer.from(
          JSON.stringify({
            schemaVersion: 2,
            mediaType: MediaType.ociManifest,
            config: put(Buffer.from(configBytes), MediaType.ociConfig),
            layers: [put(layer, MediaType.ociLayerGzip)],
          }),
        ),
        MediaType.ociManifest,
      );
      const missing = { ...manifest, digest: digestOf('elsewhere'), platform: { os: 'linux', architecture: 's390x' } };
      const { arch } = process;
      const here = { ...manifest, platform: { os: 'linux', architecture: arch === 'x64' ? 'amd64' : arch } };
      const list = put(
        Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [missing, here] })),
        MediaType.ociIndex,
      );
      const named = { ...list, annotations: { 'org.opencontainers.image.ref.name': 'example.com/oci:v1' } };
      const archive = tar({
        ...blobs,
        'oci-layout': '{"imageLayoutVersion":"1.0.0"}',
        'index.json': JSON.stringify({ schemaVersion: 2, manifests: [named] }),
      });
      assert.deepEqual(await load(store, archive), ['Loaded image: example.com/oci:v1\n']);
      assert.equal(store.get('example.com/oci:v1').id, id);
      const wrong = tar({
        ...blobs,
        [`blobs/sha256/${manifest.digest.slice(7)}`]: '{"schemaVersion":2}'.padEnd(600),
        'oci-layout': '{}',
        'index.json': JSON.stringify({ schemaVersion: 2, manifests: [manifest] }),
      });
      await assert.rejects(load(store, wrong), /has the digest/);
    });

    test('a broken archive leaves nothing behind', async () => {
      const whole = archiveOf(image([base, top], ['broken:latest']));
      const cases: [Buffer, RegExp][] = [
        [whole.subarray(0, 3000), /unexpected EOF/],
        [gzipSync(whole).subarray(0, 200), /unexpected EOF/],
        [Buffer.from('this is no archive at all'.repeat(100)), /invalid tar header/],
        [Buffer.alloc(0), /manifest\.json/],
        [tar({ x: 'y' }), /manifest\.json/],
        [tar({ 'manifest.json': '[{"Config":"../../etc/passwd","RepoTags":[],"Layers":[]}]' }), /missing/],
        [tar({ 'manifest.json': '{}' }), /not a list/],
        [archiveOf({ ...image([base], ['a:1']), layers: [{ diffId: digestOf(base), bytes: top }] }), /diffID|digest/],
      ];
      for (const [archive, message] of cases) await assert.rejects(load(store, archive), message);
      await store.settled();
      assert.deepEqual(store.list(), []);
      assert.deepEqual(layerFolders(), []);
      for (const name of ['incoming', 'trash']) assert.deepEqual(readdirSync(join(root, 'images', driver, name)), []);
    });

    test('a load that is cancelled ends at once and leaves nothing behind', async () => {
      const controller = new AbortController();
      const whole = archiveOf(image([tar({ big: Buffer.alloc(2_000_000, 'x') })], ['big:latest']));
      async function* endless(): AsyncGenerator<Buffer> {
        yield whole.subarray(0, 1_000_000);
        controller.abort();
        await new Promise(() => {});
      }
      await assert.rejects(
        store.load(Readable.from(endless()), { platforms: [] }, () => {}, controller.signal),
        { kind: 'cancelled' },
      );
      await store.settled();
      assert.deepEqual(readdirSync(join(root, 'images', driver, 'incoming')), []);
      assert.deepEqual(store.list(), []);
    });

    test('an import makes an image of one layer', async () => {
      const options = { reference: 'mine:1', message: 'Imported from -', config: { Cmd: ['sh'] }, platform: undefined };
      const made = await store.import(Readable.from([gzipSync(base)]), options, signal);
      assert.deepEqual(made.config.rootfs.diff_ids, [digestOf(base)]);
      assert.deepEqual(made.config.config?.Cmd, ['sh']);
      assert.equal(made.config.history?.[0]?.comment, 'Imported from -');
      assert.equal(made.sizeBytes, 4);
      assert.deepEqual(made.repoTags, ['mine:1']);
      await assert.rejects(store.import(Readable.from([Buffer.from('x')]), options, signal), {
        kind: 'invalidParameter',
      });
      await assert.rejects(
        store.import(Readable.from([base]), { ...options, reference: 'Bad' }, signal),
        /must be lowercase/,
      );
    });

    test('a second start finds everything again, and removes what nobody owns', async () => {
      const one = image([base, top], ['one:latest']);
      await load(store, archiveOf(one));
      await store.createContainerLayer('kept', one.id, { volatile: false });
      await store[Symbol.asyncDispose]();
      const driverRoot = join(root, 'images', driver);
      for (const stray of ['l/zz/diff', 'incoming/half/diff', 'trash/old'])
        mkdirSync(join(driverRoot, stray), { recursive: true });
      writeFileSync(join(root, 'images', 'blobs', 'sha256', '.new-1-1'), 'half');
      store = await open();
      await store.settled();
      assert.equal(store.get('one').id, one.id);
      assert.deepEqual(store.containerLayers(), ['kept']);
      assert.ok(store.containerRoot('kept'));
      assert.equal(layerFolders().length, 2);
      for (const stray of ['l/zz', 'incoming/half', 'trash/old'])
        assert.ok(!existsSync(join(driverRoot, stray)), stray);
      assert.deepEqual(readdirSync(join(root, 'images', 'blobs', 'sha256')), [one.id.slice(7)]);
    });

    test('a seeded image comes once, stays away when removed, and comes again in a newer archive', async () => {
      const seeds = join(root, 'seeds');
      mkdirSync(seeds);
      const one = image([base], ['seed:latest']);
      writeFileSync(join(seeds, 'seed.tar'), archiveOf(one));
      await seedImages(store, seeds, assert.fail);
      assert.equal(store.get('seed').id, one.id);
      await store.delete(one.id, { noPrune: false });
      await seedImages(store, seeds, assert.fail);
      assert.deepEqual(store.list(), []);
      const two = image([top], ['seed:latest']);
      writeFileSync(join(seeds, 'seed.tar'), archiveOf(two));
      await seedImages(store, seeds, assert.fail);
      assert.equal(store.get('seed').id, two.id);
      await seedImages(store, join(root, 'nowhere'), assert.fail);
    });

    test('the size of a container is what it has changed', async () => {
      const one = image([base], ['one:latest']);
      await load(store, archiveOf(one));
      await store.createContainerLayer('c', one.id, { volatile: false });
      const mount = store.containerRoot('c');
      const tree = mount.kind === 'overlay' ? mount.upper : mount.path;
      writeFileSync(join(tree, 'new'), 'x'.repeat(1000));
      const below = driver === 'vfs' ? 4 : 0;
      assert.equal((await store.containerLayerSize('c')) - below, 1000);
    });
  });
}
