import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generateName } from './names.ts';

test('a generated name is an adjective and a surname, with a digit after a clash', () => {
  assert.match(generateName(0), /^[a-z]+_[a-z]+$/);
  assert.match(generateName(1), /^[a-z]+_[a-z]+[0-9]$/);
});
