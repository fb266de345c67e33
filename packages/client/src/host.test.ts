import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseHost } from './host.ts';

test('hosts are read as DOCKER_HOST has them', () => {
  const tcp = { kind: 'tcp', basePath: '', tls: undefined } as const;
  assert.deepEqual(parseHost('unix:///run/x.sock'), { kind: 'unix', path: '/run/x.sock', text: 'unix:///run/x.sock' });
  assert.deepEqual(parseHost('tcp://h'), { ...tcp, hostname: 'h', port: 2375, text: 'tcp://h' });
  assert.deepEqual(parseHost('h:99'), { ...tcp, hostname: 'h', port: 99, text: 'h:99' });
  assert.deepEqual(parseHost('tcp://[::1]:99/base/'), {
    ...tcp,
    hostname: '::1',
    port: 99,
    basePath: '/base',
    text: 'tcp://[::1]:99/base/',
  });
  const secure = parseHost('https://h');
  assert.ok(secure.kind === 'tcp' && secure.port === 2376 && secure.tls);
  for (const bad of ['foo://x', 'tcp://h:1:2', 'tcp://h:99999'])
    assert.throws(() => parseHost(bad), /invalid bind address format/);
});
