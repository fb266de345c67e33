import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AddressSpace } from './address-space.ts';

const network = { name: 'web', id: 'f00' };
const open = (subnet: string, ...reserved: string[]): AddressSpace => new AddressSpace({ subnet, reserved, network });

for (const [family, subnet, at] of [
  [4, '10.1.0.0/29', (n: number) => `10.1.0.${n}`],
  [6, 'fd00:1::/125', (n: number) => `fd00:1::${n}`],
] as const) {
  test(`IPv${family} addresses are given in rising order, and one that came back only after all others`, () => {
    const space = open(subnet, at(1));
    assert.deepEqual([space.allocate(), space.allocate()], [at(2), at(3)]);
    space.release(at(2));
    const rest = family === 4 ? [4, 5, 6, 2] : [4, 5, 6, 7, 2];
    assert.deepEqual(
      rest.map(() => space.allocate()),
      rest.map(at),
    );
    assert.throws(() => space.allocate(), {
      kind: 'unavailable',
      message: `no available IPv${family} addresses on this network's address pools: web (f00)`,
    });
    space.release(at(5));
    assert.equal(space.allocate(), at(5));
  });
}

test('a certain address is taken once, and only from its subnet', () => {
  const space = open('10.1.0.0/16');
  assert.equal(space.take('10.1.3.4'), true);
  assert.equal(space.take('10.1.3.4'), false);
  assert.equal(space.take('10.1.0.0'), false, 'the subnet itself');
  assert.equal(space.take('10.1.255.255'), false, 'its broadcast address');
  assert.throws(() => space.take('10.2.0.1'), { kind: 'invalidParameter' });
  assert.throws(() => space.take('fd00::1'), { kind: 'invalidParameter' });
});

test('an address is the same however it is written', () => {
  const space = open('fd00::/64');
  assert.equal(space.take('fd00:0::A'), true);
  assert.equal(space.take('fd00::000a'), false);
});

test('a range bounds what is given out, not what may be asked for', () => {
  const space = new AddressSpace({
    subnet: '10.1.0.0/24',
    range: '10.1.0.128/31',
    reserved: ['10.1.0.1', '10.1.0.128'],
    network,
  });
  assert.equal(space.allocate(), '10.1.0.129');
  assert.throws(() => space.allocate(), { kind: 'unavailable' });
  assert.equal(space.take('10.1.0.7'), true);
});

test('a full subnet of 65536 addresses can be given out, and an IPv6 one has no end', () => {
  const space = open('10.1.0.0/16', '10.1.0.1');
  const all = new Set(Array.from({ length: 65533 }, () => space.allocate()));
  assert.equal(all.size, 65533);
  assert.throws(() => space.allocate(), { kind: 'unavailable' });
  assert.equal(open('fd00::/8', 'fd00::1').allocate(), 'fd00::2');
});
