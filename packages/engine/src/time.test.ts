import assert from 'node:assert/strict';
import { test } from 'node:test';
import { humanDuration, nowNs, rfc3339Nano } from './time.ts';

test('a length of time reads as in docker ps', () => {
  const rows: [seconds: number, text: string][] = [
    [0.4, 'Less than a second'],
    [1.9, '1 second'],
    [59, '59 seconds'],
    [60, 'About a minute'],
    [125, '2 minutes'],
    [3000, '50 minutes'],
    [3600, 'About an hour'],
    [5400, '2 hours'],
    [47 * 3600, '47 hours'],
    [48 * 3600, '2 days'],
    [14 * 86400, '2 weeks'],
    [60 * 86400, '2 months'],
    [730 * 86400, '2 years'],
  ];
  for (const [seconds, text] of rows) assert.equal(humanDuration(BigInt(Math.round(seconds * 1e9))), text);
});

test('times are printed with the fractional digits that they need', () => {
  assert.equal(rfc3339Nano(1_795_207_848_126_024_885n), '2026-11-20T20:50:48.126024885Z');
  assert.equal(rfc3339Nano(1_795_207_848_500_000_000n), '2026-11-20T20:50:48.5Z');
  assert.equal(rfc3339Nano(1_795_207_848_000_000_000n), '2026-11-20T20:50:48Z');
});

test('the time now never stands still', () => {
  const earlier = nowNs();
  assert.ok(earlier < nowNs());
});
