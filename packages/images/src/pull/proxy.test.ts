import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { HttpClient } from './http.ts';
import { retryAfterMs } from './patience.ts';
import { isInNetwork, proxyFor } from './proxy.ts';

const proxies = { http: 'http://user:pw@proxy:3128', https: 'secure-proxy:3129', no: '' };

test("a proxy is chosen by scheme, and passed over as Go's exceptions say", () => {
  const through = (url: string, no = ''): string | undefined => proxyFor(new URL(url), { ...proxies, no })?.host;
  assert.equal(through('http://a.example/'), 'proxy:3128');
  assert.equal(through('https://a.example/'), 'secure-proxy:3129');
  for (const url of ['http://localhost:5000/', 'http://127.1.2.3/', 'https://[::1]:5000/']) {
    assert.equal(through(url), undefined, url);
  }
  const cases: readonly [string, string, boolean][] = [
    ['*', 'http://a.example', true],
    ['a.example', 'https://a.example', true],
    ['a.example', 'https://sub.a.example', true],
    ['a.example', 'https://ba.example', false],
    ['.a.example', 'https://a.example', false],
    ['*.a.example', 'https://b.a.example', true],
    ['a.example:5000', 'https://a.example:5000', true],
    ['a.example:443', 'https://a.example', true],
    ['a.example:5000', 'https://a.example:5001', false],
    ['x, 10.0.0.0/8', 'http://10.9.8.7:5000', true],
    ['10.1.2.3', 'http://10.1.2.4', false],
    ['fd00::/8', 'http://[fd12::1]:80', true],
    ['A.EXAMPLE', 'http://a.example', true],
  ];
  for (const [no, url, isException] of cases) assert.equal(through(url, no) === undefined, isException, `${no} ${url}`);
  assert.throws(() => proxyFor(new URL('http://a'), { http: 'socks5://u:secret@x:1', https: '', no: '' }), {
    message: 'the proxy socks5://x:1 cannot be used: only http and https proxies are supported',
  });
  assert.ok(!isInNetwork('10.0.0.1', '10.0.0.0/33'));
});

test('Retry-After is read as seconds and as a date', () => {
  assert.equal(retryAfterMs('7'), 7000);
  assert.equal(retryAfterMs('Thu, 01 Jan 1970 00:01:00 GMT', 20_000), 40_000);
  assert.equal(retryAfterMs('Thu, 01 Jan 1970 00:00:10 GMT', 20_000), 0);
  assert.equal(retryAfterMs('soon'), undefined);
  assert.equal(retryAfterMs(undefined), undefined);
});

test('requests go through the proxy with its credentials, https by a tunnel', async () => {
  const seen: string[] = [];
  const proxy = createServer((request, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers['proxy-authorization']}`);
    response.end('from the proxy');
  });
  proxy.on('connect', (request: IncomingMessage, socket) => {
    seen.push(`CONNECT ${request.url}`);
    socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
  });
  await using server = await listening(proxy);
  const address = `http://user:pw@${server.host}`;
  using http = new HttpClient({
    verifyCertificates: true,
    userAgent: 'test',
    proxies: { http: address, https: address, no: '' },
  });
  const signal = AbortSignal.timeout(5000);
  const answer = await http.send(new URL('http://registry.invalid/v2/'), { method: 'GET', signal });
  answer.resume();
  assert.equal(answer.statusCode, 200);
  await assert.rejects(http.send(new URL('https://registry.invalid/v2/'), { method: 'GET', signal }));
  const basic = Buffer.from('user:pw').toString('base64');
  assert.deepEqual(seen, [`GET http://registry.invalid/v2/ Basic ${basic}`, 'CONNECT registry.invalid:443']);
});

async function listening(server: Server): Promise<{ readonly host: string } & AsyncDisposable> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    host: `127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise(resolve => server.close(resolve));
    },
  };
}
