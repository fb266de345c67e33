import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDetachKeys } from './detach-keys.ts';

test('detach keys become the bytes of a terminal', () => {
  const bytes = (text: string): number[] => [...parseDetachKeys(text)];
  assert.deepEqual(bytes(''), [16, 17]);
  assert.deepEqual(bytes('ctrl-a,x'), [1, 120]);
  assert.deepEqual(bytes('ctrl-@,ctrl-_,DEL'), [0, 31, 127]);
  assert.throws(() => parseDetachKeys('ctrl-1'), /Invalid detach keys \(ctrl-1\) provided/);
});
