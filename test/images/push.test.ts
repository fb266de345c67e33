import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { noRegistry, startRegistry, type TestRegistry } from '../harness/registry.ts';
import { rootOnly } from '../harness/skip.ts';

const manifestTypes = {
  Accept: 'application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json',
};
/** `joe` with the password `secret`. */
const htpasswd = 'joe:$2b$04$nAaeAppqwW/UDtVT7t99JOhSiW4myrgE0cj7Rd3o4QeQ0SL3IMGOy\n';

describe('push', { skip: rootOnly || noRegistry }, () => {
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
  const digestOf = async (name: string): Promise<string> =>
    /@(sha256:[0-9a-f]{64})/.exec(
      await ok('image', 'inspect', '-f', '{{range .RepoDigests}}{{.}} {{end}}', name),
    )?.[1] ?? '';

  test('what is pushed is pulled again as the same image, under the digest that push has named', async () => {
    const name = `${registry.host}/first/busybox:v1`;
    await ok('tag', 'busybox', name);
    const id = await ok('image', 'inspect', '-f', '{{.Id}}', name);
    const output = await ok('push', name);
    assert.match(output, new RegExp(`^The push refers to repository \\[${registry.host}/first/busybox\\]\n`));
    assert.match(output, /^[0-9a-f]{12}: Pushed$/m);
    const [, digest, size] = /^v1: digest: (sha256:[0-9a-f]{64}) size: (\d+)$/m.exec(output) ?? [];
    const manifest = await registry.api('/v2/first/busybox/manifests/v1', manifestTypes);
    assert.equal(manifest.headers['docker-content-digest'], digest);
    assert.equal(manifest.body.length, Number(size));
    assert.equal(await digestOf(name), digest);

    await using other = await startDaemon({ images: [] });
    const pulled = await other.docker('pull', name);
    assert.equal(pulled.code, 0, pulled.stderr);
    assert.match(pulled.stdout, new RegExp(`^Digest: ${digest}$`, 'm'));
    assert.equal((await other.docker('image', 'inspect', '-f', '{{.Id}}', name)).stdout, id);
    const hello = await other.docker('run', '--rm', name, 'echo', 'hello');
    assert.equal(hello.stdout, 'hello\n', hello.stderr);

    // The other engine has never compressed this layer: it copies it from where it was pulled.
    await using second = await startRegistry();
    const elsewhere = `${second.host}/copied:v1`;
    await other.docker('tag', name, elsewhere);
    const copied = await other.docker('push', elsewhere);
    assert.match(copied.stdout, new RegExp(`^v1: digest: ${digest} size: ${size}$`, 'm'), copied.stderr);
  });

  test('a layer that the repository has is not sent, one of another repository is mounted', async () => {
    const name = `${registry.host}/second/a:v1`;
    await ok('tag', 'busybox', name);
    await ok('push', name);
    assert.match(await ok('push', name), /^[0-9a-f]{12}: Layer already exists$/m);
    const mounted = `${registry.host}/third/b`;
    await ok('tag', 'busybox', `${mounted}:v1`);
    await ok('tag', 'busybox', `${mounted}:v2`);
    const output = await ok('push', '--all-tags', mounted);
    assert.match(output, /^[0-9a-f]{12}: Mounted from (first\/busybox|second\/a)$/m);
    assert.match(output, /^v1: digest: /m);
    assert.match(output, /^v2: digest: /m);
    assert.deepEqual(JSON.parse((await registry.api('/v2/third/b/tags/list')).body).tags, ['v1', 'v2']);
  });

  test('what cannot be pushed says why', async () => {
    const { host } = registry;
    const missing = await daemon.docker('push', `${host}/nothing:v1`);
    assert.match(missing.stderr, new RegExp(`An image does not exist locally with the tag: ${host}/nothing`));
    await ok('tag', 'busybox', `${host}/some:v1`);
    const noTag = await daemon.docker('push', `${host}/some:v2`);
    assert.match(noTag.stderr, new RegExp(`tag does not exist: ${host}/some:v2`));
    await ok('tag', 'busybox', '127.0.0.1:1/some:v1');
    const unreachable = await daemon.docker('push', '127.0.0.1:1/some:v1');
    assert.match(
      unreachable.stderr,
      /Get "http:\/\/127.0.0.1:1\/v2\/": dial tcp 127.0.0.1:1: connect: connection refused/,
    );
    const { status, body } = await daemon.api('POST', '/v1.51/images/UPPER/push?tag=x');
    assert.equal(status, 400, body);
    const digest = await daemon.api('POST', `/v1.51/images/${host}/some@sha256:${'0'.repeat(64)}/push`);
    assert.match(digest.body, /cannot push a digest reference/);
  });

  test('a registry with passwords takes the right one only', async () => {
    await using locked = await startRegistry({ htpasswd });
    const name = `${locked.host}/busybox:v1`;
    await ok('tag', 'busybox', name);
    assert.match((await daemon.docker('push', name)).stderr, /^no basic auth credentials$/m);
    const push = (password: string) => send('POST', `/v1.51/images/${locked.host}/busybox/push?tag=v1`, password);
    assert.match(await push('wrong'), /"error":"unauthorized: authentication required"/);
    assert.match(await push('secret'), /"aux":\{"Tag":"v1","Digest":"sha256:/);
    const pull = (password: string) =>
      send('POST', `/v1.51/images/create?fromImage=${locked.host}/busybox&tag=v1`, password);
    assert.match(await pull('wrong'), /unauthorized: authentication required/);
    assert.match(await pull('secret'), /Image is up to date for/);
  });

  async function send(method: string, path: string, password: string): Promise<string> {
    const { request } = await import('node:http');
    const auth = Buffer.from(JSON.stringify({ username: 'joe', password })).toString('base64');
    return new Promise((resolve, reject) => {
      const headers = { 'X-Registry-Auth': auth };
      request({ socketPath: daemon.socket, method, path, headers, agent: false }, answer => {
        const chunks: Buffer[] = [];
        answer.on('data', chunk => chunks.push(chunk));
        answer.once('end', () => resolve(Buffer.concat(chunks).toString()));
      })
        .once('error', reject)
        .end();
    });
  }
});
