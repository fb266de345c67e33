import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSignal, throwUnlessSupported } from './signals.ts';

test('signals are given by name, with or without SIG, or by number', () => {
  const rows: [string, number][] = [
    ['KILL', 9],
    ['sigterm', 15],
    ['1', 1],
    ['RTMIN', 34],
    ['SIGRTMIN+3', 37],
    ['RTMAX-1', 63],
    ['65', 65],
    ['-9', -9],
  ];
  for (const [text, number] of rows) assert.equal(parseSignal(text), number);
  for (const text of ['', '0', 'NOPE', 'RTMIN-1']) {
    assert.throws(() => parseSignal(text), { message: `invalid signal: ${text}`, kind: 'invalidParameter' });
  }
});

test('a number that Linux has no signal for is known, and cannot be sent', () => {
  for (const number of [1, 9, 64]) throwUnlessSupported(number);
  for (const number of [-9, 65]) {
    assert.throws(() => throwUnlessSupported(number), {
      message: `the linux daemon does not support signal ${number}`,
      kind: 'invalidParameter',
    });
  }
});
