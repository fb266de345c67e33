import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AddressPool, chooseSubnet, DEFAULT_POOLS } from './ipam.ts';
import { addressNumber, addressText, parseSubnet, subnetText } from './subnet.ts';

const choose = (...used: string[]): string => subnetText(chooseSubnet(DEFAULT_POOLS, used.map(parseSubnet)));

test('the first subnet of the pools that overlaps nothing is chosen', () => {
  assert.equal(choose(), '172.17.0.0/16');
  assert.equal(choose('172.17.0.1/32'), '172.18.0.0/16');
  assert.equal(choose('172.16.0.0/14'), '172.20.0.0/16');
  assert.equal(choose('172.0.0.0/8'), '192.168.0.0/20');
  assert.equal(choose('172.0.0.0/8', '192.168.5.0/24', '192.168.16.0/20'), '192.168.32.0/20');
});

test('when all pools are in use the error says so in the words of Docker', () => {
  assert.throws(() => choose('0.0.0.0/0'), {
    kind: 'unavailable',
    message: 'all predefined address pools have been fully subnetted',
  });
});

test('a pool that cannot be divided is refused', () => {
  for (const pool of [
    { base: '10.0.0.0/24', size: 16 },
    { base: '10.0.0.0/24', size: 31 },
    { base: 'ten', size: 24 },
  ]) {
    assert.throws(() => chooseSubnet([pool], []), { kind: 'invalidParameter' });
  }
});

test('addresses are given in rising order, and one that came back only after all others', () => {
  const pool = new AddressPool(parseSubnet('10.1.0.0/29'), [addressNumber('10.1.0.1')]);
  const next = (): string => addressText(pool.allocate());
  assert.deepEqual([next(), next()], ['10.1.0.2', '10.1.0.3']);
  pool.release(addressNumber('10.1.0.2'));
  assert.deepEqual([next(), next(), next(), next()], ['10.1.0.4', '10.1.0.5', '10.1.0.6', '10.1.0.2']);
  assert.throws(next, { kind: 'unavailable' });
  pool.release(addressNumber('10.1.0.5'));
  assert.equal(next(), '10.1.0.5');
});

test('a certain address is taken once, and only from its subnet', () => {
  const pool = new AddressPool(parseSubnet('10.1.0.0/16'), []);
  assert.equal(pool.take(addressNumber('10.1.3.4')), true);
  assert.equal(pool.take(addressNumber('10.1.3.4')), false);
  assert.throws(() => pool.take(addressNumber('10.2.0.1')), { kind: 'invalidParameter' });
});

test('a full subnet of 65536 addresses can be given out', () => {
  const pool = new AddressPool(parseSubnet('10.1.0.0/16'), [addressNumber('10.1.0.1')]);
  const all = new Set(Array.from({ length: 65533 }, () => pool.allocate()));
  assert.equal(all.size, 65533);
  assert.throws(() => pool.allocate(), { kind: 'unavailable' });
});
