import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isGantryError } from '@gantry/errors';
import {
  familiarReference,
  formatReference,
  parseAnyReference,
  parseReference,
  withDefaultTag,
  withTag,
} from './reference.ts';

const HEX = 'a'.repeat(64);

test('familiar names are normalised and shown short again', () => {
  const table: [string, string, string][] = [
    ['busybox', 'docker.io/library/busybox:latest', 'busybox:latest'],
    ['busybox:1.36', 'docker.io/library/busybox:1.36', 'busybox:1.36'],
    ['library/busybox', 'docker.io/library/busybox:latest', 'busybox:latest'],
    ['docker.io/busybox', 'docker.io/library/busybox:latest', 'busybox:latest'],
    ['index.docker.io/busybox', 'docker.io/library/busybox:latest', 'busybox:latest'],
    ['me/app', 'docker.io/me/app:latest', 'me/app:latest'],
    ['localhost/app', 'localhost/app:latest', 'localhost/app:latest'],
    ['localhost:5000/a/b:v1', 'localhost:5000/a/b:v1', 'localhost:5000/a/b:v1'],
    ['Upper/app', 'Upper/app:latest', 'Upper/app:latest'],
    ['[::1]:5000/app', '[::1]:5000/app:latest', '[::1]:5000/app:latest'],
    ['quay.io/a/b__c/d---e', 'quay.io/a/b__c/d---e:latest', 'quay.io/a/b__c/d---e:latest'],
    [`busybox@sha256:${HEX}`, `docker.io/library/busybox@sha256:${HEX}`, `busybox@sha256:${HEX}`],
    [`busybox:1@sha256:${HEX}`, `docker.io/library/busybox:1@sha256:${HEX}`, `busybox:1@sha256:${HEX}`],
    ['docker.io/library/a/b', 'docker.io/library/a/b:latest', 'library/a/b:latest'],
    ['test:5000', 'docker.io/library/test:5000', 'test:5000'],
  ];
  for (const [typed, full, familiar] of table) {
    const reference = withDefaultTag(parseReference(typed));
    assert.equal(formatReference(reference), full, typed);
    assert.equal(familiarReference(reference), familiar, typed);
  }
});

test('what Docker refuses is refused in its words', () => {
  const table: [string, string][] = [
    ['', 'invalid reference format'],
    ['Busybox', 'invalid reference format: repository name (library/Busybox) must be lowercase'],
    ['me/App:1', 'invalid reference format: repository name (me/App) must be lowercase'],
    [HEX, `invalid repository name (${HEX}), cannot specify 64-byte hexadecimal strings`],
    ['busybox:', 'invalid reference format'],
    ['busybox:-x', 'invalid reference format'],
    ['-busybox', 'invalid reference format'],
    ['a//b', 'invalid reference format'],
    ['a___b', 'invalid reference format'],
    ['a..b/c', 'invalid reference format'],
    ['https://example.com/a', 'invalid reference format'],
    ['busybox@sha256:abc', 'invalid reference format'],
    [`busybox@sha256:${'a'.repeat(40)}`, 'invalid checksum digest length'],
    [`busybox@md5:${'a'.repeat(32)}`, 'unsupported digest algorithm'],
    [`busybox:${'t'.repeat(129)}`, 'invalid reference format'],
    [`a/${'b'.repeat(256)}`, 'repository name must not be more than 255 characters'],
    ['busybox\n', 'invalid reference format'],
    ['b'.repeat(1_000_000), 'invalid reference format'],
  ];
  for (const [typed, message] of table) {
    assert.throws(() => parseReference(typed), { message, kind: 'invalidParameter' }, typed.slice(0, 80));
  }
  assert.throws(() => withTag(parseReference('a'), 'b c'), { message: 'invalid tag format' });
});

test('an id is told from a name', () => {
  assert.deepEqual(parseAnyReference(HEX), { kind: 'id', digest: `sha256:${HEX}` });
  assert.deepEqual(parseAnyReference(`sha256:${HEX}`), { kind: 'id', digest: `sha256:${HEX}` });
  assert.equal(parseAnyReference('sha256:abcd').kind, 'name');
});

test('random text never does anything but parse or be refused', () => {
  const alphabet = 'aB0._-:/@[]% \n\0é';
  let seed = 42;
  const random = (n: number): number => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return seed % n;
  };
  for (let i = 0; i < 20_000; i++) {
    const text = Array.from({ length: random(24) }, () => alphabet[random(alphabet.length)]).join('');
    try {
      const reference = parseReference(text);
      assert.deepEqual(parseReference(formatReference(reference)), reference, JSON.stringify(text));
    } catch (error) {
      assert.ok(isGantryError(error, 'invalidParameter'), `${JSON.stringify(text)}: ${error}`);
    }
  }
});
