import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GantryError } from '@gantry/errors';
import { logAttributes } from './log-attributes.ts';

const subject = {
  id: 'a'.repeat(64),
  name: 'web',
  imageId: 'b'.repeat(64),
  imageName: 'busybox',
  labels: { '1aa': 'x', bb: 'y', bbq: 'q' },
  env: ['foo1=x', 'Foo2=y', 'FOO3z=q'],
  commandLine: ['sh'],
  createdNs: 0n,
  hostname: 'host',
};

const attributesOf = (options: Record<string, string>, changes = {}): string | undefined =>
  logAttributes(options, { ...subject, ...changes }, '/log', reason => new GantryError('system', reason));

test('labels and variables are chosen by expressions in the syntax of Go', () => {
  assert.equal(attributesOf({ 'labels-regex': '(?P<x>aa|bb)$' }), '{"1aa":"x","bb":"y"}');
  assert.equal(attributesOf({ 'env-regex': '(?i)^FOO[[:digit:]]\\z' }), '{"Foo2":"y","foo1":"x"}');
  assert.equal(attributesOf({ 'env-regex': 'none' }), undefined);
});

test('a wrong expression is refused in the words of Go, of variables only where there are any', () => {
  assert.throws(() => attributesOf({ 'labels-regex': '^a(b' }), {
    message: 'error parsing regexp: missing closing ): `^a(b`',
  });
  assert.throws(() => attributesOf({ 'env-regex': '[' }), { message: 'error parsing regexp: missing closing ]: `[`' });
  assert.equal(attributesOf({ 'env-regex': '[' }, { env: [] }), undefined);
});
