import assert from 'node:assert/strict';
import { test } from 'node:test';
import { indentJson } from './json.ts';

test('JSON is indented without a change to its numbers, order or escapes', () => {
  const text = '[{"b":12345678901234567890,"a":{},"c":[],"d":"x\\u003c{\\"[","e":[1,[2]],"f":null}]';
  assert.equal(
    indentJson(text, '  '),
    '[\n  {\n    "b": 12345678901234567890,\n    "a": {},\n    "c": [],\n    "d": "x\\u003c{\\"[",\n    "e": [\n      1,\n      [\n        2\n      ]\n    ],\n    "f": null\n  }\n]',
  );
});
