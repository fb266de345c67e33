import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PortRequest } from './face.ts';
import { changePorts } from './port-change.ts';
import { PortTable } from './ports.ts';

const options = { ipv4: 'translated', ipv6: 'relayed' } as const;
const request = (containerPort: number, hostPort: number, hostIp = '', hostPortEnd = hostPort): PortRequest => ({
  protocol: 'tcp',
  containerPort,
  hostIp,
  hostPort,
  hostPortEnd,
});
const table = (): PortTable =>
  new PortTable({ wildcards: ['0.0.0.0', '::'], range: [32768, 32800], isFree: () => true });
const shown = (ports: readonly { readonly hostIp: string; readonly hostPort: number }[]): string[] =>
  ports.map(({ hostIp, hostPort }) => `${hostIp}:${hostPort}`).toSorted();

test('a port that was chosen freely stays when one beside it goes, and is not mistaken for it', () => {
  const ports = table();
  const before = [request(80, 8080), request(80, 0)];
  const current = ports.reserve(before, options);
  const change = changePorts(ports, current, before, [request(80, 0), request(80, 81, '127.0.0.1')], options);
  assert.deepEqual(shown(change.kept), ['0.0.0.0:32768', ':::32768']);
  assert.deepEqual(shown(change.removed), ['0.0.0.0:8080', ':::8080']);
  assert.deepEqual(shown(change.added), ['127.0.0.1:81']);
  assert.throws(() => ports.reserve([request(80, 81)], options), /127\.0\.0\.1:81 failed/);
  ports.reserve([request(80, 8080)], options);
});

test('a change that cannot be had keeps all reservations; one that is taken back too', () => {
  const ports = table();
  const before = [request(80, 8080)];
  const current = ports.reserve(before, options);
  ports.reserve([request(80, 9090)], options);
  assert.throws(() => changePorts(ports, current, before, [request(80, 9090)], options), /0\.0\.0\.0:9090 failed/);
  assert.throws(() => ports.reserve([request(80, 8080)], options), /8080 failed/);
  changePorts(ports, current, before, [request(80, 7070)], options).undo();
  assert.throws(() => ports.reserve([request(80, 8080)], options), /8080 failed/);
  ports.reserve([request(80, 7070)], options);
});

test('one family of a port goes, the other stays; a port moves to another of the container', () => {
  const ports = table();
  const before = [request(80, 8080), request(81, 8081)];
  const current = ports.reserve(before, options);
  const change = changePorts(ports, current, before, [request(80, 8080, '0.0.0.0'), request(82, 8081)], options);
  assert.deepEqual(shown(change.added), ['0.0.0.0:8080', '0.0.0.0:8081', ':::8081']);
  assert.deepEqual(shown(change.removed), shown(current), 'a request for fewer addresses is another request');
});
