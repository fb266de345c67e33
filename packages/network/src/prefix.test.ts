import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressAt, parsePrefix, prefixContains, prefixesOverlap, prefixText } from './prefix.ts';

test('a prefix is read with its host bits cleared, and printed as the kernel prints it', () => {
  assert.equal(prefixText(parsePrefix('10.1.2.3/24')), '10.1.2.0/24');
  assert.equal(prefixText(parsePrefix('FD00:0:0::7/64')), 'fd00::/64');
  assert.equal(prefixText(parsePrefix('::/0')), '::/0');
  assert.equal(prefixText(parsePrefix('255.255.255.255/32')), '255.255.255.255/32');
  for (const text of ['', '10.0.0.0', '10.0.0.0/33', '10.0.0/8', 'fd00::/129', 'fe80::%eth0/64', 'x/8', '10.0.0.0/']) {
    assert.throws(() => parsePrefix(text), RangeError, text);
  }
});

test('prefixes of two families never meet', () => {
  const [four, six] = [parsePrefix('0.0.0.0/0'), parsePrefix('::/0')] as const;
  assert.equal(prefixesOverlap(four, six), false);
  assert.equal(prefixContains(six, '10.0.0.1'), false);
  assert.equal(prefixContains(six, 'fd00::1'), true);
  assert.equal(prefixesOverlap(parsePrefix('10.0.0.0/8'), parsePrefix('10.9.0.0/16')), true);
  assert.equal(addressAt(parsePrefix('fd00::/64'), 255n), 'fd00::ff');
});
