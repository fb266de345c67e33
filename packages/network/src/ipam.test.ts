import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseSubnet, DEFAULT_POOLS, uniqueLocalPool } from './ipam.ts';
import { parsePrefix, prefixText } from './prefix.ts';

const choose = (...used: string[]): string => prefixText(chooseSubnet(4, DEFAULT_POOLS, used.map(parsePrefix)));

test('the first subnet of the pools that overlaps nothing is chosen', () => {
  assert.equal(choose(), '172.17.0.0/16');
  assert.equal(choose('172.17.0.1/32'), '172.18.0.0/16');
  assert.equal(choose('172.16.0.0/14'), '172.20.0.0/16');
  assert.equal(choose('172.0.0.0/8'), '192.168.0.0/20');
  assert.equal(choose('172.0.0.0/8', '192.168.5.0/24', '192.168.16.0/20'), '192.168.32.0/20');
});

test('a host has IPv6 pools of its own, and subnets of them in turn', () => {
  const pool = uniqueLocalPool('host one');
  assert.match(pool.base, /^fd[0-9a-f]{2}:[0-9a-f]{4}:[0-9a-f]{4}::\/48$/);
  assert.deepEqual(uniqueLocalPool('host one'), pool);
  assert.notDeepEqual(uniqueLocalPool('host two'), pool);
  const first = chooseSubnet(6, [...DEFAULT_POOLS, pool], []);
  assert.equal(prefixText(first), pool.base.replace('/48', '/64'));
  assert.equal(
    prefixText(chooseSubnet(6, [pool], [first, parsePrefix('10.0.0.0/8')])),
    pool.base.replace('::/48', ':1::/64'),
  );
});

test('a pool of 2^56 subnets, the first half of which is taken, is no long search', () => {
  const pool = { base: 'fd00::/8', size: 64 };
  assert.equal(prefixText(chooseSubnet(6, [pool], [parsePrefix('fd00::/9')])), 'fd80::/64');
});

test('when all pools are in use the error says so in the words of Docker', () => {
  const error = { kind: 'unavailable', message: 'all predefined address pools have been fully subnetted' };
  assert.throws(() => choose('0.0.0.0/0'), error);
  assert.throws(() => chooseSubnet(6, DEFAULT_POOLS, []), error);
});

test('a pool that cannot be divided is refused', () => {
  for (const pool of [
    { base: '10.0.0.0/24', size: 16 },
    { base: '10.0.0.0/24', size: 31 },
    { base: 'ten', size: 24 },
  ]) {
    assert.throws(() => chooseSubnet(4, [pool], []), { kind: 'invalidParameter' });
  }
});
