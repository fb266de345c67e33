import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, test } from 'node:test';
import { StateStore } from '@gantry/store';
import type { ImageStore } from '../face.ts';
import { openImageStore } from '../open-image-store.ts';
import { layerOf, TestRegistry } from '../pull/test-registry.ts';

const ROOT = { skip: process.getuid?.() !== 0 && 'needs root' };
const never = new AbortController().signal;
const options = { platform: undefined, authorization: undefined };

async function withStore(work: (store: ImageStore) => Promise<void>): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'gantry-push-'));
  try {
    using state = new StateStore(join(root, 'state.db'));
    await using store = await openImageStore({ root: join(root, 'images'), runDir: root, store: state });
    await work(store);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** The archive of a layer of a megabyte, compressed or not. */
const incompressible = (name: string): Buffer => layerOf(name, randomBytes(1_000_000));

/** Pushes, and returns what was said of each layer. */
async function push(store: ImageStore, name: string): Promise<string[]> {
  const said: string[] = [];
  await store.push(
    name,
    options,
    ({ status, id }) => said.push(`${id === undefined ? '' : `${id}: `}${status}`),
    never,
  );
  return said;
}

/** Breaks the connection of the first `cuts` uploads when so many bytes of their bodies have come. */
function cut(registry: TestRegistry, afterBytes: number, cuts: number, method: 'PUT' | 'PATCH'): void {
  let left = cuts;
  registry.intercept = (request: IncomingMessage, _: ServerResponse) => {
    if (request.method !== method || !request.url?.includes('/blobs/uploads/') || left === 0) return false;
    let came = 0;
    request.on('data', (part: Buffer) => {
      came += part.length;
      if (came < afterBytes || left === 0) return;
      left -= 1;
      request.socket.destroy();
    });
    return false;
  };
}

describe('a push', ROOT, () => {
  test('goes on where its connection broke, as the registry says how far it came', async () => {
    await using from = await TestRegistry.start();
    await using to = await TestRegistry.start();
    const image = from.putImage('large', 'v1', [incompressible('one')]);
    const [layer] = image.layers;
    await withStore(async store => {
      await store.pull(`${from.host}/large:v1`, options, () => {}, never);
      await store.tag(`${from.host}/large:v1`, `${to.host}/large:v1`);
      cut(to, 100_000, 2, 'PUT');
      const ranges: string[] = [];
      const cutting = to.intercept;
      to.intercept = (request, response) => {
        if (request.headers['content-range'] !== undefined) ranges.push(request.headers['content-range']);
        return cutting(request, response);
      };
      const said = await push(store, `${to.host}/large:v1`);
      assert.equal(said.filter(line => line.endsWith(': Retrying in 1 second')).length, 2, said.join('\n'));
      assert.equal(to.requests.filter(line => line.startsWith('GET') && line.includes('/uploads/')).length, 2);
      const begins = ranges.map(range => Number(range.split('-')[0]));
      assert.equal(begins.length, 2);
      assert.ok((begins[0] ?? 0) >= 100_000 && (begins[1] ?? 0) >= (begins[0] ?? 0) + 100_000, ranges.join());
      assert.ok(ranges.every(range => range.endsWith(`-${(layer?.size ?? 0) - 1}`)));
      assert.ok(to.manifests.has(`large@${image.digest}`));
      assert.equal(to.uploads.size, 0);
    });
  });

  test('goes on in the middle of a layer that is compressed on its way', async () => {
    await using to = await TestRegistry.start();
    await withStore(async store => {
      const imported = await store.import(
        Readable.from([incompressible('fresh')]),
        { reference: `${to.host}/fresh:v1`, message: '', config: {}, platform: undefined },
        never,
      );
      cut(to, 100_000, 1, 'PATCH');
      const said = await push(store, `${to.host}/fresh:v1`);
      assert.equal(said.filter(line => line.endsWith(': Retrying in 1 second')).length, 1, said.join('\n'));
      assert.equal(to.requests.filter(line => line.startsWith('POST')).length, 2, 'the layer and the configuration');
      await store.delete(imported.id, { noPrune: false });
      const pulled = await store.pull(`${to.host}/fresh:v1`, options, () => {}, never);
      assert.equal(pulled.id, imported.id);
    });
  });

  test('begins anew where the registry has forgotten what it was sent', async () => {
    await using from = await TestRegistry.start();
    await using to = await TestRegistry.start();
    const image = from.putImage('large', 'v1', [incompressible('two')]);
    await withStore(async store => {
      await store.pull(`${from.host}/large:v1`, options, () => {}, never);
      await store.tag(`${from.host}/large:v1`, `${to.host}/large:v1`);
      cut(to, 100_000, 1, 'PUT');
      const cutting = to.intercept;
      to.intercept = (request, response) => {
        if (request.method === 'GET' && request.url?.includes('/uploads/')) to.uploads.clear();
        return cutting(request, response);
      };
      const said = await push(store, `${to.host}/large:v1`);
      assert.equal(said.filter(line => line.endsWith(': Retrying in 1 second')).length, 1, said.join('\n'));
      assert.ok(to.manifests.has(`large@${image.digest}`));
    });
  });

  test('does not send again what arrived although its answer was lost', async () => {
    await using from = await TestRegistry.start();
    await using to = await TestRegistry.start();
    from.putImage('large', 'v1', [incompressible('three')]);
    await withStore(async store => {
      await store.pull(`${from.host}/large:v1`, options, () => {}, never);
      await store.tag(`${from.host}/large:v1`, `${to.host}/large:v1`);
      let isLost = false;
      to.intercept = (request, response) => {
        if (isLost || request.method !== 'PUT' || !request.url?.includes('/uploads/')) return false;
        isLost = true;
        response.writeHead = () => {
          request.socket.destroy();
          return response;
        };
        return false;
      };
      await push(store, `${to.host}/large:v1`);
      const layers = to.requests.filter(line => line.startsWith('PUT') && line.includes('/uploads/'));
      assert.equal(layers.length, 2, 'the layer and the configuration, once each');
    });
  });
});
