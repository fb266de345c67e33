import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { digestOf, hostPlatform, MediaType } from '@gantry/oci';
import { StateStore } from '@gantry/store';
import type { ImageStore, StoredImage } from '../face.ts';
import { openImageStore } from '../open-image-store.ts';
import { refuse, TestRegistry } from './test-registry.ts';

type Message = { status?: string; id?: string };

describe('a pull', { skip: process.getuid?.() !== 0 && 'needs root' }, () => {
  let root = '';
  let state: StateStore;
  let store: ImageStore;
  let registry: TestRegistry;

  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'gantry-pull-'));
    state = new StateStore(join(root, 'state.db'));
    registry = await TestRegistry.start();
    store = await openImageStore({ root: join(root, 'images'), runDir: root, store: state });
  });

  afterEach(async () => {
    await registry[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
    state[Symbol.dispose]();
    rmSync(root, { recursive: true, force: true });
  });

  const pull = async (
    reference: string,
    { platform, authorization, signal }: { platform?: string; authorization?: unknown; signal?: AbortSignal } = {},
    messages: Message[] = [],
  ): Promise<StoredImage> =>
    await store.pull(
      `${registry.host}/${reference}`,
      { platform, authorization },
      message => void messages.push(message),
      signal ?? new AbortController().signal,
    );

  const nothingIsLeft = async (): Promise<void> => {
    await store.settled();
    assert.deepEqual(store.list(), []);
    for (const name of ['incoming', 'trash'])
      assert.deepEqual(readdirSync(join(root, 'images', store.driver, name)), [], name);
    const layers = readdirSync(join(root, 'images', store.driver, 'l')).filter(name => name !== 'empty');
    assert.deepEqual(layers, []);
  };

  test('fetches what is missing and says so as dockerd does', async () => {
    const image = registry.putImage('a/b', 'v1', ['one', 'two', 'three', 'four']);
    const messages: Message[] = [];
    const pulled = await pull('a/b:v1', {}, messages);
    assert.equal(pulled.id, image.id);
    assert.deepEqual(pulled.repoTags, [`${registry.host}/a/b:v1`]);
    assert.deepEqual(pulled.repoDigests, [`${registry.host}/a/b@${image.digest}`]);
    const lines = messages.map(({ status, id }) => (id === undefined ? status : `${id}: ${status}`));
    const short = (i: number): string => image.layers[i]?.digest.slice(7, 19) ?? '';
    assert.equal(lines[0], 'v1: Pulling from a/b');
    for (let i = 0; i < 4; i++) {
      for (const status of ['Pulling fs layer', 'Verifying Checksum', 'Download complete', 'Pull complete']) {
        assert.ok(lines.includes(`${short(i)}: ${status}`), `${i} ${status}`);
      }
    }
    assert.ok(lines.includes(`${short(3)}: Waiting`));
    assert.deepEqual(lines.slice(-2), [
      `Digest: ${image.digest}`,
      `Status: Downloaded newer image for ${registry.host}/a/b:v1`,
    ]);
    const before = registry.requests.length;
    const again: Message[] = [];
    await pull('a/b:v1', {}, again);
    assert.deepEqual(registry.requests.slice(before), ['HEAD /v2/a/b/manifests/v1']);
    assert.equal(again.at(-1)?.status, `Status: Image is up to date for ${registry.host}/a/b:v1`);
  });

  test('reuses layers that other images have', async () => {
    registry.putImage('a', 'v1', ['one', 'two']);
    const second = registry.putImage('a', 'v2', ['one', 'three']);
    await pull('a:v1');
    const before = registry.requests.length;
    const messages: Message[] = [];
    await pull('a:v2', {}, messages);
    const blobs = registry.requests.slice(before).filter(line => line.includes('/blobs/'));
    assert.equal(blobs.length, 2, 'configuration and one layer');
    assert.ok(
      messages.some(({ status, id }) => status === 'Already exists' && second.layers[0]?.digest.includes(id ?? '-')),
    );
  });

  test('chooses the platform from an index, and names those that there are', async () => {
    const arm = registry.putImage('a', 'arm', ['arm'], 'arm64');
    const here = registry.putImage('a', 'here', ['here'], hostPlatform().architecture);
    const entry = (blob: typeof arm, architecture: string) => ({
      mediaType: blob.mediaType,
      digest: blob.digest,
      size: blob.size,
      platform: { os: 'linux', architecture },
    });
    const manifests = [entry(arm, 'arm64'), entry(here, hostPlatform().architecture)];
    const index = registry.putManifest(
      'a',
      'latest',
      { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests },
      MediaType.ociIndex,
    );
    const pulled = await pull('a');
    assert.equal(pulled.id, here.id);
    assert.deepEqual(pulled.repoDigests, [`${registry.host}/a@${index.digest}`]);
    assert.equal((await pull('a', { platform: 'linux/arm64' })).id, arm.id);
    await assert.rejects(pull('a', { platform: 'linux/s390x' }), {
      kind: 'notFound',
      message: 'no matching manifest for linux/s390x in the manifest list entries',
    });
    assert.equal((await pull(`a@${index.digest}`)).id, here.id);
  });

  test('logs in by a token server, with Basic, and says what is missing without', async () => {
    registry.putImage('private', 'latest', ['secret']);
    const scopes: string[] = [];
    registry.intercept = ({ url = '', headers }, response) => {
      if (url.startsWith('/token')) {
        scopes.push(`${new URL(url, 'http://x').searchParams.get('scope')} ${headers.authorization}`);
        response.end(JSON.stringify({ token: 'good', expires_in: 300 }));
        return true;
      }
      if (headers.authorization === 'Bearer good') return false;
      response.setHeader('WWW-Authenticate', `Bearer realm="http://${registry.host}/token",service="test",scope="x"`);
      refuse(response, 401, 'UNAUTHORIZED', 'authentication required');
      return true;
    };
    await pull('private', { authorization: { username: 'me', password: 'pw' } });
    assert.deepEqual(scopes, [`repository:private:pull Basic ${Buffer.from('me:pw').toString('base64')}`]);
    registry.putImage('basic', 'latest', ['basic']);
    registry.intercept = ({ headers }, response) => {
      if (headers.authorization === `Basic ${Buffer.from('me:pw').toString('base64')}`) return false;
      response.setHeader('WWW-Authenticate', 'Basic realm="test"');
      refuse(response, 401, 'UNAUTHORIZED', 'authentication required');
      return true;
    };
    await assert.rejects(pull('basic'), /no basic auth credentials/);
    await assert.rejects(
      pull('basic', { authorization: { username: 'me', password: 'no' } }),
      /unauthorized: authentication required/,
    );
    await pull('basic', { authorization: { auth: Buffer.from('me:pw').toString('base64') } });
  });

  test('words its errors as dockerd does', async () => {
    await assert.rejects(pull('none:1'), {
      kind: 'notFound',
      message: `manifest for ${registry.host}/none:1 not found: manifest unknown: manifest unknown`,
    });
    registry.intercept = (_, response) => {
      refuse(response, 403, 'DENIED', 'requested access to the resource is denied');
      return true;
    };
    await assert.rejects(pull('none'), {
      kind: 'notFound',
      message: `pull access denied for ${registry.host}/none, repository does not exist or may require 'docker login': denied: requested access to the resource is denied`,
    });
    registry.intercept = (_, response) => {
      response.setHeader('Retry-After', '30');
      refuse(response, 429, 'TOOMANYREQUESTS', 'You have reached your pull rate limit');
      return true;
    };
    await assert.rejects(pull('none'), {
      message: 'toomanyrequests: You have reached your pull rate limit',
      hint: 'try again after 30 seconds',
    });
    registry.intercept = (_, response) => {
      response.writeHead(500).end('oops');
      return true;
    };
    await assert.rejects(pull('none'), /received unexpected HTTP status: 500 Internal Server Error/);
    const free = createServer();
    await new Promise<void>(resolve => free.listen(0, '127.0.0.1', resolve));
    const address = free.address();
    const port = typeof address === 'object' ? address?.port : 0;
    await new Promise(resolve => free.close(resolve));
    const nowhere = store.pull(
      `127.0.0.1:${port}/x`,
      { platform: undefined, authorization: undefined },
      () => {},
      new AbortController().signal,
    );
    await assert.rejects(nowhere, {
      message: `Get "http://127.0.0.1:${port}/v2/": dial tcp 127.0.0.1:${port}: connect: connection refused`,
    });
    await nothingIsLeft();
  });

  test('refuses what a wrong or hostile registry sends, and keeps nothing of it', async () => {
    const { layers } = registry.putImage('a', 'latest', ['one', 'two']);
    const [first] = layers;
    assert.ok(first);
    const whole = registry.blobs.get(first.digest) ?? Buffer.alloc(0);
    const changed = Buffer.from(whole);
    changed[changed.length - 5] = (changed.at(-5) ?? 0) ^ 1;
    const cases: [string, (url: string) => Buffer | undefined, RegExp][] = [
      ['another blob', url => (url.includes(first.digest) ? changed : undefined), /verification failed|invalid data/],
      [
        'too long a blob',
        url => (url.includes(first.digest) ? Buffer.concat([whole, whole]) : undefined),
        /longer than/,
      ],
      [
        'a manifest without end',
        url => (url.includes('/manifests/') ? Buffer.alloc(5_000_000, ' ') : undefined),
        /larger than the allowed/,
      ],
      ['no manifest', url => (url.includes('/manifests/') ? Buffer.from('<html>') : undefined), /not a JSON/],
      [
        'another configuration',
        url => (/blobs/.test(url) && !layers.some(l => url.includes(l.digest)) ? Buffer.from('{}') : undefined),
        /./,
      ],
    ];
    for (const [what, answer, message] of cases) {
      registry.intercept = ({ url = '' }, response) => {
        const bytes = answer(url);
        if (bytes) response.setHeader('Content-Type', MediaType.ociManifest).end(bytes);
        return bytes !== undefined;
      };
      // What is too short is asked for again, and again: that one is cancelled.
      const signal = AbortSignal.timeout(what === 'another configuration' ? 3000 : 60_000);
      await assert.rejects(pull('a', { signal }), message, what);
      await nothingIsLeft();
    }
  });

  test('gives up on redirects without end, 401 loops and an index that names itself', async () => {
    registry.intercept = ({ url = '' }, response) => {
      response.writeHead(307, { Location: `${url}x` }).end();
      return true;
    };
    await assert.rejects(pull('a'), /stopped after 10 redirects/);
    registry.intercept = ({ url = '' }, response) => {
      if (url.startsWith('/token')) response.end('{"token":"bad"}');
      else {
        response.setHeader('WWW-Authenticate', `Bearer realm="http://${registry.host}/token"`);
        refuse(response, 401, 'UNAUTHORIZED', 'authentication required');
      }
      return true;
    };
    await assert.rejects(pull('a'), /unauthorized: authentication required/);
    registry.intercept = () => false;
    let entry: object = { mediaType: MediaType.ociManifest, digest: `sha256:${'1'.repeat(64)}`, size: 1 };
    for (let i = 0; i < 8; i++) {
      const document = { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [entry] };
      entry = registry.putManifest('loop', 'latest', document, MediaType.ociIndex);
    }
    await assert.rejects(pull('loop'), /indexes that name each other/);
    assert.ok(registry.requests.length < 40);
    await nothingIsLeft();
  });

  test('takes a transfer up again where the connection broke', async () => {
    const { layers, id } = registry.putImage('a', 'latest', ['one']);
    const [layer] = layers;
    const bytes = registry.blobs.get(layer?.digest ?? '') ?? Buffer.alloc(0);
    let breaks = 2;
    const ranges: (string | undefined)[] = [];
    registry.intercept = ({ url = '', headers }, response) => {
      if (!url.includes(layer?.digest ?? '-')) return false;
      ranges.push(headers.range);
      if (breaks-- <= 0) return false;
      const from = Number(headers.range?.slice(6, -1) ?? 0);
      response.writeHead(from > 0 ? 206 : 200, { 'Content-Length': bytes.length - from });
      response.write(bytes.subarray(from, from + Math.floor(bytes.length / 3)), () => response.destroy());
      return true;
    };
    const messages: Message[] = [];
    assert.equal((await pull('a', {}, messages)).id, id);
    assert.equal(ranges.length, 3);
    assert.ok(ranges[1]?.startsWith('bytes='));
    assert.ok(messages.some(({ status }) => status === 'Retrying in 1 second'));
  });

  test('that is cancelled leaves nothing, and two of one image share one transfer', async () => {
    const { layers, id } = registry.putImage('a', 'latest', ['one', 'two']);
    const controller = new AbortController();
    registry.intercept = ({ url = '' }, response) => {
      if (!url.includes(layers[1]?.digest ?? '-')) return false;
      response.writeHead(200, { 'Content-Length': 1_000_000 });
      response.write('x', () => controller.abort());
      return true;
    };
    await assert.rejects(pull('a', { signal: controller.signal }), { kind: 'cancelled' });
    await nothingIsLeft();
    registry.intercept = () => false;
    const before = registry.requests.length;
    const leaving = new AbortController();
    const messages: Message[] = [];
    const both = [pull('a', {}, messages), pull('a', {}, messages), pull('a', { signal: leaving.signal })];
    leaving.abort();
    const [one, two, three] = await Promise.allSettled(both);
    assert.equal(one?.status === 'fulfilled' && one.value.id, id);
    assert.equal(two?.status === 'fulfilled' && two.value.id, id);
    assert.equal(three?.status, 'rejected');
    assert.equal(registry.requests.slice(before).filter(line => line.includes('/blobs/')).length, 3);
    assert.equal(
      messages.filter(({ status }) => status === `Status: Downloaded newer image for ${registry.host}/a:latest`).length,
      2,
    );
  });

  const REGISTRY = (process.env.PATH ?? '')
    .split(':')
    .map(directory => join(directory, 'docker-registry'))
    .find(path => existsSync(path));
  test("works with Debian's docker-registry", {
    skip: REGISTRY === undefined && 'this machine lacks docker-registry',
  }, async () => {
    const free = createServer();
    await new Promise<void>(resolve => free.listen(0, '127.0.0.1', resolve));
    const address = free.address();
    const host = `127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
    await new Promise(resolve => free.close(resolve));
    writeFileSync(
      join(root, 'registry.yml'),
      `version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: ${root}/registry}}\nhttp: {addr: ${host}}\n`,
    );
    const child = spawn(REGISTRY ?? '', ['serve', join(root, 'registry.yml')], { stdio: 'ignore' });
    try {
      const deadline = Date.now() + 10_000;
      while (!(await fetch(`http://${host}/v2/`).catch(() => undefined))?.ok) {
        assert.ok(Date.now() < deadline, 'docker-registry does not come up');
        await new Promise(resolve => setTimeout(resolve, 20));
      }
      const { id, digest } = registry.putImage('a/b', 'v1', ['one', 'two']);
      for (const bytes of registry.blobs.values()) {
        const begin = await fetch(`http://${host}/v2/a/b/blobs/uploads/`, { method: 'POST' });
        const target = new URL(begin.headers.get('location') ?? '', `http://${host}`);
        target.searchParams.set('digest', digestOf(bytes));
        const put = await fetch(target, {
          method: 'PUT',
          body: new Uint8Array(bytes),
          headers: { 'Content-Type': 'application/octet-stream' },
        });
        assert.equal(put.status, 201);
      }
      const manifest = registry.manifests.get('a/b:v1');
      const headers = { 'Content-Type': manifest?.mediaType ?? '' };
      const put = await fetch(`http://${host}/v2/a/b/manifests/v1`, {
        method: 'PUT',
        body: manifest?.bytes.toString() ?? '',
        headers,
      });
      assert.equal(put.status, 201);
      const options = { platform: undefined, authorization: undefined };
      const pulled = await store.pull(`${host}/a/b:v1`, options, () => {}, new AbortController().signal);
      assert.equal(pulled.id, id);
      assert.deepEqual(pulled.repoDigests, [`${host}/a/b@${digest}`]);
    } finally {
      child.kill();
      await new Promise(resolve => child.once('exit', resolve));
    }
  });
});
