import assert from 'node:assert/strict';
import { test } from 'node:test';
import { detachSequence } from './session.ts';

test('detach keys are read as Docker writes them', () => {
  assert.deepEqual([...detachSequence(undefined)], [16, 17]);
  assert.deepEqual([...detachSequence('a,ctrl-],ctrl-@')], [97, 29, 0]);
  assert.throws(() => detachSequence('foo'), /invalid detach keys/);
});
