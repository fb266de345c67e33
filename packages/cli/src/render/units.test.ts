import assert from 'node:assert/strict';
import { test } from 'node:test';
import { binarySize, humanDuration, humanSize, parseBytes, parseDuration } from './units.ts';

test("sizes are written as Docker's tables have them", () => {
  assert.deepEqual(
    [0, 999, 1400, 1984230, 166_900_000, 999_900, 12_340_000_000].map(size => humanSize(size, 3)),
    ['0B', '999B', '1.4kB', '1.98MB', '167MB', '1e+03kB', '12.3GB'],
  );
  assert.equal(humanSize(1984230), '1.984MB');
  assert.equal(binarySize(25_276_000_000), '23.54GiB');
});

test("durations are written as Docker's tables have them", () => {
  const cases: [number, string][] = [
    [0.4, 'Less than a second'],
    [1, '1 second'],
    [59, '59 seconds'],
    [60, 'About a minute'],
    [119, 'About a minute'],
    [120, '2 minutes'],
    [3600, 'About an hour'],
    [5400, '2 hours'],
    [47 * 3600, '47 hours'],
    [48 * 3600, '2 days'],
    [13 * 86400, '13 days'],
    [14 * 86400, '2 weeks'],
    [60 * 86400, '2 months'],
    [730 * 86400, '2 years'],
  ];
  for (const [seconds, text] of cases) assert.equal(humanDuration(seconds * 1000), text, String(seconds));
});

test('sizes are read in binary units, and what is none is refused in the words of go-units', () => {
  assert.deepEqual(
    ['5', '5b', '1k', '1KB', '1KiB', '1.5m', '2g', '0.5t'].map(parseBytes),
    [5, 5, 1024, 1024, 1024, 1572864, 2147483648, 549755813888],
  );
  assert.throws(() => parseBytes('5x'), { message: "invalid suffix: 'x'" });
  assert.throws(() => parseBytes('abc'), { message: "invalid size: 'abc'" });
  assert.throws(() => parseBytes('4g4'), { message: 'strconv.ParseFloat: parsing "4g4": invalid syntax' });
});

test("durations are read in Go's notation", () => {
  assert.deepEqual(
    ['0', '1h30m', '1.5s', '100ms', '-2s', '1us'].map(parseDuration),
    [0, 5.4e12, 1.5e9, 1e8, -2e9, 1000],
  );
  assert.deepEqual(['5', '', 'x', '5y', '1h x'].map(parseDuration), [
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});
