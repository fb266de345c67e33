import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Host, parseHost } from './host.ts';

test('hosts are read as dockerd reads them', () => {
  const read: readonly (readonly [string, boolean, Host])[] = [
    ['unix:///run/a.sock', false, { kind: 'unix', path: '/run/a.sock' }],
    ['unix://', false, { kind: 'unix', path: '/run/gantry.sock' }],
    ['fd://', false, { kind: 'fd', index: undefined }],
    ['fd://3', false, { kind: 'fd', index: 3 }],
    ['tcp://', false, { kind: 'tcp', host: '127.0.0.1', port: 2375 }],
    ['tcp://0.0.0.0', true, { kind: 'tcp', host: '0.0.0.0', port: 2376 }],
    ['tcp://:4000', false, { kind: 'tcp', host: '0.0.0.0', port: 4000 }],
    ['tcp://[::1]:4000', false, { kind: 'tcp', host: '::1', port: 4000 }],
    ['localhost:4000', false, { kind: 'tcp', host: 'localhost', port: 4000 }],
  ];
  for (const [text, tls, host] of read) assert.deepEqual(parseHost(text, tls), host, text);
});

test('what is no host is refused', () => {
  for (const text of ['npipe:////./pipe/docker', 'http://x', 'tcp://a:b', 'tcp://a:99999', 'fd://x', 'tcp://a:1:2']) {
    assert.throws(() => parseHost(text, false), /unable to parse docker host|invalid bind address/, text);
  }
});
