import assert from 'node:assert/strict';
import { test } from 'node:test';
import { timeout } from './timeout.ts';

test('a timeout tells whether the event came in time, however long it may take', async () => {
  const never = new Promise(() => {});
  const soon = new Promise(resolve => setImmediate(resolve));
  assert.equal(await timeout(never, 1), false);
  assert.equal(await timeout(soon, undefined), true);
  assert.equal(await timeout(new Promise(resolve => setTimeout(resolve, 20)), 1e12), true);
});
