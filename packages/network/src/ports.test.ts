import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PortRequest, Protocol } from './face.ts';
import { PortTable } from './ports.ts';

const request = (hostPort: number, changes: Partial<PortRequest> = {}): PortRequest => ({
  protocol: 'tcp',
  containerPort: 80,
  hostIp: '',
  hostPort,
  hostPortEnd: hostPort,
  ...changes,
});

const table = (isFree: (protocol: Protocol, address: string, port: number) => boolean = () => true): PortTable =>
  new PortTable({ wildcards: ['0.0.0.0', '::'], range: [32768, 32771], isFree });

test('a port without an address is published on both families', () => {
  assert.deepEqual(table().reserve([request(8080)]), [
    { protocol: 'tcp', containerPort: 80, hostIp: '0.0.0.0', hostPort: 8080 },
    { protocol: 'tcp', containerPort: 80, hostIp: '::', hostPort: 8080 },
  ]);
});

for (const [first, second, taken] of [
  [request(80), request(80), '0.0.0.0:80'],
  [request(80, { hostIp: '127.0.0.1' }), request(80), '127.0.0.1:80'],
  [request(80, { hostIp: '0.0.0.0' }), request(80, { hostIp: '10.0.0.1' }), '0.0.0.0:80'],
  [request(80, { hostIp: '::' }), request(80, { hostIp: '::1' }), ':::80'],
  [request(80, { hostIp: '10.0.0.1' }), request(80, { hostIp: '10.0.0.2' }), undefined],
  [request(80, { hostIp: '0.0.0.0' }), request(80, { hostIp: '::' }), undefined],
  [request(80), request(80, { protocol: 'udp' }), undefined],
  [request(80), request(81), undefined],
] as const) {
  test(`${first.hostIp || 'everywhere'}:80 and then ${second.protocol} ${second.hostIp || 'everywhere'}:${second.hostPort} ${taken ? 'conflict' : 'go together'}`, () => {
    const ports = table();
    ports.reserve([first]);
    const reserve = (): unknown => ports.reserve([second]);
    if (taken) assert.throws(reserve, { message: `Bind for ${taken} failed: port is already allocated` });
    else reserve();
  });
}

test('ports without a number come one after the other from the range, and skip what others have', () => {
  const ports = table((_, __, port) => port !== 32769);
  const next = (): number | undefined => ports.reserve([request(0, { hostPortEnd: 0 })])[0]?.hostPort;
  const first = next();
  assert.deepEqual([first, next()], [32768, 32770]);
  ports.release([{ protocol: 'tcp', containerPort: 80, hostIp: '0.0.0.0', hostPort: 32768 }]);
  ports.release([{ protocol: 'tcp', containerPort: 80, hostIp: '::', hostPort: 32768 }]);
  assert.deepEqual([next(), next()], [32771, 32768]);
  assert.throws(next, { message: 'all ports are allocated' });
});

test('a range gives its first free port', () => {
  const ports = table();
  const next = (): number | undefined => ports.reserve([request(8000, { hostPortEnd: 8001 })])[0]?.hostPort;
  assert.deepEqual([next(), next()], [8000, 8001]);
  assert.throws(next, { message: 'all ports are allocated' });
});

test('all ports of a container are reserved, or none', () => {
  const ports = table();
  ports.reserve([request(81)]);
  assert.throws(() => ports.reserve([request(80), request(81)]));
  ports.reserve([request(80)]);
});
