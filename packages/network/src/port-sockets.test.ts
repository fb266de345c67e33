import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Endpoint, PublishedPort } from './face.ts';
import { portSocketSteps } from './port-sockets.ts';
import { portSpans } from './port-spans.ts';

const ipv4 = { address: '10.0.0.2', prefixLength: 24, gateway: '10.0.0.1' };
const ipv6 = { address: 'fd00::2', prefixLength: 64, gateway: 'fd00::1' };

const endpoint = (families: Partial<Pick<Endpoint, 'ipv4' | 'ipv6'>>): Endpoint => ({
  id: 'e',
  networkId: 'n',
  networkName: 'n',
  containerId: 'c',
  macAddress: '',
  ipv4: undefined,
  ipv6: undefined,
  ports: [],
  ...families,
});

const range = (hostIps: readonly string[], host: number, container: number, count: number): PublishedPort[] =>
  Array.from({ length: count }, (_, at) =>
    hostIps.map(hostIp => ({ protocol: 'tcp' as const, hostIp, hostPort: host + at, containerPort: container + at })),
  ).flat();

test('neighbouring ports are one span, in whatever order they come; a gap, another shift or protocol is another', () => {
  const ports = [...range(['0.0.0.0'], 8000, 8000, 1000)].reverse();
  assert.deepEqual(
    portSpans(ports).map(span => [span.hostPort, span.containerPort, span.count]),
    [[8000, 8000, 1000]],
  );
  const mixed: PublishedPort[] = [
    ...range(['0.0.0.0'], 80, 80, 2),
    ...range(['0.0.0.0'], 82, 90, 1),
    ...range(['0.0.0.0'], 84, 84, 1),
    { protocol: 'udp', hostIp: '0.0.0.0', hostPort: 85, containerPort: 85 },
  ];
  assert.deepEqual(
    portSpans(mixed).map(span => [span.protocol, span.hostPort, span.count]),
    [
      ['tcp', 80, 2],
      ['tcp', 82, 1],
      ['tcp', 84, 1],
      ['udp', 85, 1],
    ],
  );
});

test('a range on all addresses of both families is one step, with a socket a port', () => {
  assert.deepEqual(portSocketSteps(endpoint({ ipv4 }), range(['0.0.0.0', '::'], 8000, 9000, 500), true), [
    {
      op: 'hostSocket',
      protocol: 'tcp',
      address: '::',
      port: 8000,
      count: 500,
      bothFamilies: true,
      relayTo: { address: '10.0.0.2', port: 9000 },
    },
  ]);
});

for (const [what, families, hostIps, rules, expected] of [
  ['IPv4 is translated', { ipv4 }, ['0.0.0.0'], true, [['0.0.0.0', undefined]]],
  ['IPv4 without rules is relayed', { ipv4 }, ['0.0.0.0'], false, [['0.0.0.0', '10.0.0.2']]],
  ['an IPv6 address to an IPv4 container is relayed', { ipv4 }, ['fd01::1'], true, [['fd01::1', '10.0.0.2']]],
  ['an IPv6 address to an IPv6 container is translated', { ipv4, ipv6 }, ['fd01::1'], true, [['fd01::1', undefined]]],
  ['::1 is always relayed', { ipv4, ipv6 }, ['::1'], true, [['::1', 'fd00::2']]],
  ['an IPv4 address to an IPv6 container is relayed', { ipv6 }, ['127.0.0.1'], true, [['127.0.0.1', 'fd00::2']]],
  [
    'without rules each family has its own relay',
    { ipv4, ipv6 },
    ['0.0.0.0', '::'],
    false,
    [
      ['0.0.0.0', '10.0.0.2'],
      ['::', 'fd00::2'],
    ],
  ],
] as const) {
  test(`host sockets: ${what}`, () => {
    const steps = portSocketSteps(endpoint(families), range(hostIps, 80, 80, 1), rules);
    assert.deepEqual(
      steps.map(step => step.op === 'hostSocket' && [step.address, step.relayTo?.address]),
      expected,
    );
  });
}

test('ports that go through the rules of the host are relayed, and those of routed networks have no socket', () => {
  const [port] = range(['0.0.0.0'], 80, 80, 1);
  assert.ok(port);
  const [step] = portSocketSteps(endpoint({ ipv4 }), [{ ...port, relayed: true }], true);
  assert.deepEqual(step?.op === 'hostSocket' && step.relayTo, { address: '10.0.0.2', port: 80 });
  assert.deepEqual(portSocketSteps(endpoint({ ipv4 }), [{ ...port, hostPort: 0 }], true), []);
});
