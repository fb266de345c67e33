import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSignal } from './signals.ts';

test('signals are given by name, with or without SIG, or by number', () => {
  const rows: [string, number][] = [
    ['KILL', 9],
    ['sigterm', 15],
    ['1', 1],
    ['RTMIN', 34],
    ['SIGRTMIN+3', 37],
    ['RTMAX-1', 63],
  ];
  for (const [text, number] of rows) assert.equal(parseSignal(text), number);
  for (const text of ['', '0', '65', 'NOPE', 'RTMIN-1', '-9']) {
    assert.throws(() => parseSignal(text), { message: `invalid signal: ${text}`, kind: 'invalidParameter' });
  }
});
