import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  booleanFilter,
  checkFilters,
  matchesPairs,
  matchesPattern,
  matchesPrefix,
  matchesPruneLabels,
  parseGoDuration,
  untilFilter,
} from './filters.ts';

const filters = (entries: Record<string, string[]>) =>
  new Map(Object.entries(entries).map(([k, v]) => [k, new Set(v)]));

test('a filter that is not known is refused by its name', () => {
  assert.throws(() => checkFilters(filters({ foo: ['a'] }), new Set(['name'])), /^GantryError: invalid filter 'foo'$/);
});

test('labels match by name, or by name and value, and all of them must', () => {
  const labels = { a: '1', b: '' };
  assert.ok(matchesPairs(filters({ label: ['a', 'b='] }), 'label', labels));
  assert.ok(!matchesPairs(filters({ label: ['a=2'] }), 'label', labels));
  assert.ok(!matchesPairs(filters({ label: ['a', 'c'] }), 'label', labels));
  assert.ok(matchesPairs(filters({}), 'label', null));
  assert.ok(matchesPruneLabels(filters({ 'label!': ['c'] }), labels));
  assert.ok(!matchesPruneLabels(filters({ 'label!': ['a'] }), labels));
});

test('names match as regular expressions, a broken one only itself', () => {
  assert.ok(matchesPattern(filters({ name: ['^we.$'] }), 'name', 'web'));
  assert.ok(!matchesPattern(filters({ name: ['('] }), 'name', 'web'));
  assert.ok(matchesPattern(filters({ name: ['('] }), 'name', '('));
  assert.ok(matchesPrefix(filters({ event: ['exec_create'] }), 'event', 'exec_create: true '));
});

test('a boolean filter takes one boolean', () => {
  assert.equal(booleanFilter(filters({ dangling: ['1'] }), 'dangling', false), true);
  assert.equal(booleanFilter(filters({}), 'dangling', true), true);
  assert.throws(
    () => booleanFilter(filters({ dangling: ['x'] }), 'dangling', false),
    /invalid filter 'dangling=\[x\]'/,
  );
});

test('until takes Unix times, RFC 3339 and lengths of time', () => {
  assert.equal(parseGoDuration('1h30m'), 5_400_000_000_000n);
  assert.equal(parseGoDuration('100ms'), 100_000_000n);
  assert.equal(untilFilter(filters({ until: ['10s'] }), 20_000_000_000n), 10_000_000_000n);
  assert.equal(untilFilter(filters({ until: ['1.5'] }), 0n), 1_500_000_000n);
  assert.throws(() => untilFilter(filters({ until: ['now-ish'] }), 0n), /failed to parse/);
});
