import assert from 'node:assert/strict';
import { test } from 'node:test';
import { familiar, parseReference, withDefaultTag } from './reference.ts';

test('names are completed and shortened as on Docker Hub', () => {
  const cases: [string, string, string][] = [
    ['busybox', 'busybox:latest', 'docker.io/library/busybox'],
    ['docker.io/library/busybox:1', 'busybox:1', 'docker.io/library/busybox'],
    ['a/b', 'a/b:latest', 'docker.io/a/b'],
    ['localhost/a', 'localhost/a:latest', 'localhost/a'],
    ['localhost:5000/a/b:v1', 'localhost:5000/a/b:v1', 'localhost:5000/a/b'],
    [`x@sha256:${'a'.repeat(64)}`, `x@sha256:${'a'.repeat(64)}`, 'docker.io/library/x'],
  ];
  for (const [text, short, full] of cases) {
    const reference = withDefaultTag(parseReference(text));
    assert.deepEqual([familiar(reference), reference.fullName], [short, full]);
  }
});

test('what is no name is refused in the words of the reference library', () => {
  assert.throws(() => parseReference('UP'), {
    message: 'invalid reference format: repository name (library/UP) must be lowercase',
  });
  for (const bad of ['', 'a b', 'a:b:c', '-a', 'a/'])
    assert.throws(() => parseReference(bad), { message: 'invalid reference format' });
  assert.throws(() => parseReference('a'.repeat(64)), /cannot specify 64-byte hexadecimal strings/);
});
