import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { MediaType } from '@gantry/oci';
import { StateStore } from '@gantry/store';
import type { ImageStore, StoredImage, TransferProgress } from '../face.ts';
import { openImageStore } from '../open-image-store.ts';
import { refuse, TestRegistry } from './test-registry.ts';

describe('a pull from registries that fail', { skip: process.getuid?.() !== 0 && 'needs root' }, () => {
  let root = '';
  let state: StateStore;
  let store: ImageStore;
  let registry: TestRegistry;
  let mirror: TestRegistry;

  const openStore = (): Promise<ImageStore> =>
    openImageStore({
      root: join(root, 'images'),
      runDir: root,
      store: state,
      registries: { insecure: [], mirrors: [], directories: [join(root, 'certs.d')], maxDownloadAttempts: 3 },
    });

  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'gantry-faults-'));
    state = new StateStore(join(root, 'state.db'));
    registry = await TestRegistry.start();
    mirror = await TestRegistry.start();
    store = await openStore();
  });

  afterEach(async () => {
    await registry[Symbol.asyncDispose]();
    await mirror[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
    state[Symbol.dispose]();
    rmSync(root, { recursive: true, force: true });
  });

  const pull = async (
    reference: string,
    signal = AbortSignal.timeout(20_000),
    progress: TransferProgress = () => {},
  ): Promise<StoredImage> =>
    await store.pull(
      `${registry.host}/${reference}`,
      { platform: undefined, authorization: undefined },
      progress,
      signal,
    );

  /** Makes the mirror one of the registry. */
  function mirrored(more = ''): void {
    const folder = join(root, 'certs.d', registry.host);
    mkdirSync(folder, { recursive: true });
    writeFileSync(
      join(folder, 'hosts.toml'),
      `server = "http://${registry.host}"\n[host."http://${mirror.host}"]\n${more}\n`,
    );
  }

  const blobRequests = ({ requests }: TestRegistry): number => requests.filter(line => line.includes('/blobs/')).length;

  async function nothingIsLeft(): Promise<void> {
    await store.settled();
    assert.deepEqual(store.list(), []);
    for (const name of ['incoming', 'trash'])
      assert.deepEqual(readdirSync(join(root, 'images', store.driver, name)), [], name);
    assert.deepEqual(readdirSync(join(root, 'images', 'partial')), []);
  }

  test('takes everything from a mirror, and from the registry what the mirror has not', async () => {
    mirrored();
    const { id } = registry.putImage('a', 'v1', ['one', 'two']);
    mirror.putImage('a', 'v1', ['one', 'two']);
    assert.equal((await pull('a:v1')).id, id);
    assert.deepEqual(registry.requests, []);
    const second = registry.putImage('a', 'v2', ['three']);
    const pulled = await pull('a:v2');
    assert.equal(pulled.id, second.id);
    // The name is that of the registry, wherever it came from.
    assert.deepEqual(pulled.repoTags, [`${registry.host}/a:v2`]);
    assert.equal(blobRequests(registry), 2);
  });

  test('goes on at the registry where a mirror broke off in the middle of a blob', async () => {
    mirrored();
    const { id, layers } = registry.putImage('a', 'latest', ['one']);
    mirror.putImage('a', 'latest', ['one']);
    const bytes = mirror.blobs.get(layers[0]?.digest ?? '') ?? Buffer.alloc(0);
    const half = Math.floor(bytes.length / 2);
    mirror.intercept = ({ url = '' }, response) => {
      if (!url.includes(layers[0]?.digest ?? '-')) return false;
      response.writeHead(200, { 'Content-Length': bytes.length });
      response.write(bytes.subarray(0, half), () => response.destroy());
      return true;
    };
    const ranges: unknown[] = [];
    registry.intercept = ({ headers }) => {
      ranges.push(headers.range);
      return false;
    };
    assert.equal((await pull('a')).id, id);
    assert.deepEqual(ranges, [`bytes=${half}-`]);
  });

  test('does not believe a mirror that sends another blob', async () => {
    mirrored();
    const { id, layers } = registry.putImage('a', 'latest', ['one', 'two']);
    mirror.putImage('a', 'latest', ['one', 'two']);
    const [first, second] = layers.map(({ digest }) => digest);
    const wrong = Buffer.from(mirror.blobs.get(first ?? '') ?? '');
    wrong[wrong.length - 20] = (wrong.at(-20) ?? 0) ^ 1;
    mirror.blobs.set(first ?? '', wrong);
    assert.equal((await pull('a')).id, id);
    assert.ok(registry.requests.some(line => line.includes(first ?? '-')));
    assert.ok(mirror.requests.some(line => line.includes(second ?? '-')));
  });

  test('asks a mirror that only has content for no tag', async () => {
    mirrored('capabilities = ["pull"]');
    const { id } = registry.putImage('a', 'latest', ['one']);
    mirror.putImage('a', 'latest', ['one']);
    assert.equal((await pull('a')).id, id);
    assert.deepEqual(
      mirror.requests.filter(line => line.includes('manifests')),
      [],
    );
    assert.equal(blobRequests(registry), 0);
  });

  test('says what the mirrors and the registry answered when all fail', async () => {
    mirrored();
    await assert.rejects(pull('nothing:v1'), (error: Error & { hint?: string }) => {
      assert.equal(
        error.message,
        `manifest for ${registry.host}/nothing:v1 not found: manifest unknown: manifest unknown`,
      );
      assert.match(error.hint ?? '', new RegExp(`${registry.host} was asked for ${registry.host}/nothing:v1`));
      assert.match(error.hint ?? '', new RegExp(`the mirror ${mirror.host} failed too: manifest for`));
      return true;
    });
    await nothingIsLeft();
  });

  test('comes again after 429 and 5xx when the registry asks for a little patience, and no sooner', async () => {
    const { id } = registry.putImage('a', 'latest', ['one']);
    const times: number[] = [];
    registry.intercept = (_, response) => {
      times.push(performance.now());
      if (times.length > 2) return false;
      response.setHeader('Retry-After', times.length === 1 ? '1' : '0');
      refuse(response, times.length === 1 ? 429 : 503, 'TOOMANYREQUESTS', 'slow down');
      return true;
    };
    assert.equal((await pull('a')).id, id);
    const [first = 0, second = 0] = times;
    assert.ok(second - first >= 990, `${second - first} ms`);
  });

  test('gets one new token for all layers when the last one has expired in the middle', async () => {
    const { id, layers } = registry.putImage('a', 'latest', ['one', 'two', 'three', 'four', 'five']);
    let tokens = 0;
    registry.intercept = ({ url = '', headers }, response) => {
      if (url.startsWith('/token')) {
        tokens += 1;
        response.end(JSON.stringify({ token: `t${tokens}`, expires_in: 300 }));
        return true;
      }
      // The first is no longer believed when the layers' turn comes, whatever the token server says.
      const isLayer = layers.some(({ digest }) => url.includes(digest));
      if (headers.authorization === (isLayer ? 'Bearer t2' : 'Bearer t1')) return false;
      response.setHeader('WWW-Authenticate', `Bearer realm="http://${registry.host}/token",service="s"`);
      refuse(response, 401, 'UNAUTHORIZED', 'token expired');
      return true;
    };
    assert.equal((await pull('a')).id, id);
    assert.equal(tokens, 2);
  });

  test('follows a redirect to a storage without showing it the token', async () => {
    const { id } = registry.putImage('a', 'latest', ['one', 'two']);
    for (const [digest, bytes] of registry.blobs) mirror.blobs.set(digest, bytes);
    const seen: unknown[] = [];
    mirror.intercept = ({ headers }) => {
      seen.push(headers.authorization);
      return false;
    };
    registry.intercept = ({ url = '', headers }, response) => {
      if (url.startsWith('/token')) {
        response.end(JSON.stringify({ token: 'secret' }));
        return true;
      }
      if (headers.authorization !== 'Bearer secret') {
        response.setHeader('WWW-Authenticate', `Bearer realm="http://${registry.host}/token"`);
        refuse(response, 401, 'UNAUTHORIZED', 'authentication required');
        return true;
      }
      if (!url.includes('/blobs/')) return false;
      response.writeHead(307, { Location: `http://${mirror.host}${url}?signature=x` }).end();
      return true;
    };
    mirror.intercept = (request, response) => {
      seen.push(request.headers.authorization);
      return serveBlob(request, response);
    };
    function serveBlob({ url = '' }: IncomingMessage, response: ServerResponse): boolean {
      const bytes = mirror.blobs.get(/sha256:[0-9a-f]+/.exec(url)?.[0] ?? '');
      response.end(bytes);
      return true;
    }
    assert.equal((await pull('a')).id, id);
    assert.deepEqual(seen, [undefined, undefined, undefined]);
  });

  test('refuses a manifest of 100 MB at its first word, an index that is everywhere, and a blob of another size', async () => {
    const { layers } = registry.putImage('a', 'latest', ['one']);
    registry.intercept = ({ url = '' }, response) => {
      if (!url.includes('/manifests/')) return false;
      response.writeHead(200, { 'Content-Type': MediaType.ociManifest, 'Content-Length': 100_000_000 });
      response.write('{');
      return true;
    };
    await assert.rejects(pull('a'), /the manifest of latest is larger than the allowed \d+ bytes/);
    const entry = { mediaType: MediaType.ociIndex, digest: `sha256:${'1'.repeat(64)}`, size: 1 };
    const index = JSON.stringify({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [entry] });
    registry.intercept = ({ url = '' }, response) => {
      if (url.includes('/manifests/')) response.setHeader('Content-Type', MediaType.ociIndex).end(index);
      return url.includes('/manifests/');
    };
    await assert.rejects(pull('a'), /manifest verification failed for digest sha256:1111/);
    registry.intercept = ({ url = '' }, response) => {
      if (url.includes(layers[0]?.digest ?? '-')) response.end(Buffer.alloc((layers[0]?.size ?? 0) + 1));
      return url.includes(layers[0]?.digest ?? '-');
    };
    await assert.rejects(pull('a'), /invalid data|is longer than the \d+ bytes its manifest states|invalid tar header/);
    await nothingIsLeft();
  });

  test('goes on after a restart with what a slow download has brought, and checks it', async () => {
    const { id, layers } = registry.putImage('a', 'latest', ['one']);
    const [layer] = layers;
    assert.ok(layer);
    const bytes = registry.blobs.get(layer.digest) ?? Buffer.alloc(0);
    const partial = join(root, 'images', 'partial', layer.digest.replace(':', '-'));
    const ranges: (string | undefined)[] = [];
    registry.intercept = ({ url = '', headers }, response) => {
      if (!url.includes(layer.digest)) return false;
      ranges.push(headers.range);
      if (ranges.length > 1) return false;
      response.writeHead(200, { 'Content-Length': bytes.length });
      // Ten seconds for all of it.
      const piece = Math.ceil(bytes.length / 100);
      let at = 0;
      const more = setInterval(() => {
        response.write(bytes.subarray(at, at + piece));
        at += piece;
      }, 100);
      response.once('close', () => clearInterval(more));
      return true;
    };
    const leaving = new AbortController();
    const first = pull('a', leaving.signal);
    const failed = assert.rejects(first, { kind: 'cancelled' });
    for (const deadlineMs = performance.now() + 9000; !statSync(partial, { throwIfNoEntry: false }); ) {
      assert.ok(performance.now() < deadlineMs, 'nothing of a slow download is kept');
      await new Promise(done => setTimeout(done, 20));
    }
    leaving.abort();
    await failed;
    await store[Symbol.asyncDispose]();
    store = await openStore();
    const kept = statSync(partial).size;
    assert.ok(kept > 0 && kept < bytes.length, String(kept));
    assert.equal((await pull('a')).id, id);
    assert.deepEqual(ranges, [undefined, `bytes=${kept}-`]);
    assert.deepEqual(readdirSync(join(root, 'images', 'partial')), []);

    // What is on disk is not trusted.
    await store.delete(id, { noPrune: false });
    writeFileSync(partial, Buffer.alloc(kept, 'x'));
    assert.equal((await pull('a')).id, id);
    assert.deepEqual(ranges.slice(2).at(-1), undefined);
    await store.delete(id, { noPrune: false });
    await nothingIsLeft();
  });

  test('tells where its time went to who asks, and to nobody else', async () => {
    const { layers } = registry.putImage('a', 'latest', ['one', 'two']);
    const traces: unknown[] = [];
    const options = { platform: undefined, authorization: undefined };
    const signal = AbortSignal.timeout(10_000);
    const keep: TransferProgress = ({ aux }) => void (aux === undefined || traces.push(aux));
    await store.pull(`${registry.host}/a`, options, keep, signal);
    assert.deepEqual(traces, []);
    await store.delete(store.list()[0]?.id ?? '', { noPrune: false });
    await store.pull(`${registry.host}/a`, { ...options, explain: true }, keep, signal);
    const [{ PullTrace: trace }] = traces as unknown as [
      { PullTrace: { totalMs: number; registry: string; parts: { digest: string; spans: object }[] } },
    ];
    assert.equal(trace.registry, registry.host);
    assert.deepEqual(
      trace.parts.map(({ digest }) => digest),
      ['', ...layers.map(({ digest }) => digest)],
    );
    for (const { spans } of trace.parts.slice(1)) {
      assert.deepEqual(
        ['queue', 'answer', 'download', 'decompress', 'hash', 'write'].filter(name => !(name in spans)),
        [],
      );
    }
    assert.ok('commit' in (trace.parts[0]?.spans ?? {}));
  });
});
