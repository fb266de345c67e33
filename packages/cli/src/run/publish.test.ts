import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseExpose, parsePublish } from './publish.ts';

test('ports are published by every form of the flag', () => {
  const bindings = (...texts: string[]) =>
    Object.entries(parsePublish(texts).bindings).map(
      ([port, list]) => `${port}=${list?.map(({ HostIp, HostPort }) => `${HostIp}:${HostPort}`)}`,
    );
  assert.deepEqual(bindings('80'), ['80/tcp=:']);
  assert.deepEqual(bindings('8080:80/UDP'), ['80/udp=:8080']);
  assert.deepEqual(bindings('127.0.0.1:8080-8081:80-81'), ['80/tcp=127.0.0.1:8080', '81/tcp=127.0.0.1:8081']);
  assert.deepEqual(bindings('[::1]:90:90', '91:90'), ['90/tcp=::1:90,:91']);
  assert.deepEqual(bindings('8000-9000:80'), ['80/tcp=:8000-9000']);
  assert.deepEqual(bindings('127.0.0.1::80'), ['80/tcp=127.0.0.1:']);
  assert.deepEqual(bindings('target=80,published=8080,protocol=udp'), ['80/udp=:8080']);
  assert.deepEqual(Object.keys(parseExpose(['80', '90-91/udp'])), ['80/tcp', '90/udp', '91/udp']);
});

test('what is no port is refused in the words of go-connections', () => {
  const cases: [string, string][] = [
    ['99999:1', 'invalid hostPort: 99999'],
    ['80:99999', 'invalid containerPort: 99999'],
    ['80-82:80-81', 'invalid ranges specified for container and host Ports: 80-81 and 80-82'],
    ['80:80/foo', 'invalid proto: foo'],
    ['1.2.3:80:80', 'invalid IP address: 1.2.3'],
    ['', 'no port specified: <empty>'],
  ];
  for (const [text, message] of cases) assert.throws(() => parsePublish([text]), { message }, text);
});
