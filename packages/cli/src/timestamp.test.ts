import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseTimestamp } from './timestamp.ts';

test('points in time are dates, Unix seconds, or durations before now', () => {
  const now = Date.parse('2026-01-01T00:10:00Z');
  assert.equal(parseTimestamp('10m', '', now), '1767225600.000000000');
  assert.equal(parseTimestamp('1767225600', '', now), '1767225600.000000000');
  assert.equal(parseTimestamp('1767225600.5', '', now), '1767225600.500000000');
  assert.equal(parseTimestamp('2026-01-01T00:00:00.123456789Z', '', now), '1767225600.123456789');
  assert.equal(parseTimestamp('2026-01-01T02:00:00+02:00', '', now), '1767225600.000000000');
  assert.throws(() => parseTimestamp('foo', 'invalid value for "since": '), {
    message: 'invalid value for "since": failed to parse value as time or duration: "foo"',
  });
});
