import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { noRegistry, startRegistry, type TestRegistry } from '../harness/registry.ts';
import { rootOnly } from '../harness/skip.ts';

/** `joe` with the password `secret`. */
const htpasswd = 'joe:$2b$04$nAaeAppqwW/UDtVT7t99JOhSiW4myrgE0cj7Rd3o4QeQ0SL3IMGOy\n';

describe('login', { skip: rootOnly || noRegistry }, () => {
  let daemon: TestDaemon;
  let registry: TestRegistry;
  let config: string;
  const before_ = process.env.DOCKER_CONFIG;

  before(async () => {
    config = mkdtempSync(join(tmpdir(), 'gantry-login-'));
    process.env.DOCKER_CONFIG = config;
    daemon = await startDaemon();
    registry = await startRegistry({ htpasswd });
  });
  after(async () => {
    await registry[Symbol.asyncDispose]();
    await daemon[Symbol.asyncDispose]();
    if (before_ === undefined) delete process.env.DOCKER_CONFIG;
    else process.env.DOCKER_CONFIG = before_;
    rmSync(config, { recursive: true });
  });

  test('the official client logs in, pushes, pulls, asks for a digest, and logs out', async () => {
    const { host } = registry;
    const name = `${host}/busybox:v1`;
    await daemon.docker('tag', 'busybox', name);
    const wrong = await daemon.dockerWithInput('nonsense', 'login', '-u', 'joe', '--password-stdin', host);
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /login attempt to http:\/\/127.0.0.1:\d+\/v2\/ failed with status: 401 Unauthorized/);
    const right = await daemon.dockerWithInput('secret', 'login', '-u', 'joe', '--password-stdin', host);
    assert.match(right.stdout, /Login Succeeded/, right.stderr);
    assert.ok(host in JSON.parse(readFileSync(join(config, 'config.json'), 'utf8')).auths);
    const pushed = await daemon.docker('push', name);
    const [, digest] = /^v1: digest: (\S+) /m.exec(pushed.stdout) ?? [];
    assert.ok(digest, pushed.stderr);
    const pulled = await daemon.docker('pull', name);
    assert.match(pulled.stdout, new RegExp(`Digest: ${digest}`), pulled.stderr);
    const auth = Buffer.from(JSON.stringify({ username: 'joe', password: 'secret' })).toString('base64');
    const asked = await daemon.api('GET', `/v1.51/distribution/${name}/json`);
    assert.equal(asked.status, 500);
    assert.match(
      asked.body,
      /Head \\"http:\/\/127.0.0.1:\d+\/v2\/busybox\/manifests\/v1\\": no basic auth credentials/,
    );
    const described = await daemon.api('GET', `/v1.51/distribution/${name}/json`, undefined, {
      'X-Registry-Auth': auth,
    });
    const { Descriptor, Platforms } = JSON.parse(described.body);
    assert.equal(Descriptor.digest, digest);
    assert.equal(Descriptor.mediaType, 'application/vnd.docker.distribution.manifest.v2+json');
    assert.deepEqual(Platforms, [{ architecture: process.arch === 'x64' ? 'amd64' : process.arch, os: 'linux' }]);
    const nothing = await daemon.api('GET', `/v1.51/distribution/${host}/busybox:v2/json`, undefined, {
      'X-Registry-Auth': auth,
    });
    assert.equal(nothing.status, 404);
    assert.equal(JSON.parse(nothing.body).message, 'manifest unknown: manifest unknown');
    const out = await daemon.docker('logout', host);
    assert.equal(out.code, 0, out.stderr);
    assert.match((await daemon.docker('pull', name)).stderr, /no basic auth credentials/);
  });

  test('a token server gives an identity token in place of the password', async () => {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(`${request.url} ${request.headers.authorization?.split(' ')[0] ?? ''}`);
      const host = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      if (request.url?.startsWith('/token')) {
        const right = request.headers.authorization === `Basic ${Buffer.from('joe:secret').toString('base64')}`;
        response.writeHead(right ? 200 : 401, { 'Content-Type': 'application/json' });
        response.end(JSON.stringify(right ? { token: 'abc', refresh_token: 'keep me' } : {}));
        return;
      }
      const isIn = request.headers.authorization === 'Bearer abc';
      response.writeHead(isIn ? 200 : 401, { 'WWW-Authenticate': `Bearer realm="${host}/token",service="s"` }).end();
    });
    await new Promise<void>(done => server.listen(0, '127.0.0.1', done));
    try {
      const serveraddress = `127.0.0.1:${(server.address() as AddressInfo).port}`;
      const login = (password: string) =>
        daemon.api('POST', '/v1.51/auth', { username: 'joe', password, serveraddress });
      const { status, body } = await login('secret');
      assert.equal(status, 200, body);
      assert.deepEqual(JSON.parse(body), { IdentityToken: 'keep me', Status: 'Login Succeeded' });
      assert.ok(
        asked.some(line => /^\/token\?.*offline_token=true.* Basic$/.test(line)),
        asked.join('\n'),
      );
      const refused = await login('wrong');
      assert.equal(refused.status, 401);
      assert.match(refused.body, /unauthorized: incorrect username or password/);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  test('search asks the index that the term names, and refuses limits as dockerd does', async () => {
    const server = createServer((request, response) => {
      assert.equal(request.url, '/v1/search?q=busy&n=7');
      const results = [
        { name: 'busybox', description: 'small', star_count: 12, is_official: true, is_automated: true },
        { name: 'joe/busy', description: '', star_count: 1, is_official: false, is_automated: false },
      ];
      response.end(JSON.stringify({ results }));
    });
    await new Promise<void>(done => server.listen(0, '127.0.0.1', done));
    try {
      const index = `127.0.0.1:${(server.address() as AddressInfo).port}`;
      const found = await daemon.docker(
        'search',
        '--limit',
        '7',
        '--format',
        '{{.Name}} {{.StarCount}}',
        `${index}/busy`,
      );
      assert.equal(found.stdout, 'busybox 12\njoe/busy 1\n', found.stderr);
      const starred = await daemon.docker(
        'search',
        '--limit',
        '7',
        '-f',
        'stars=5',
        '--format',
        '{{.Name}}',
        `${index}/busy`,
      );
      assert.equal(starred.stdout, 'busybox\n', starred.stderr);
    } finally {
      server.closeAllConnections();
      server.close();
    }
    const { status, body } = await daemon.api('GET', '/v1.51/images/search?term=x&limit=1000');
    assert.equal(status, 400);
    assert.match(body, /limit 1000 is outside the range of \[1, 100\]/);
    const none = await daemon.api('GET', `/v1.51/images/search?term=${registry.host}/x`);
    assert.match(none.body, /Unexpected status code 404/);
  });
});
