import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pullTrace, pullTraceText } from './pull-trace.ts';

const trace: Parameters<typeof pullTraceText>[0] = {
  totalMs: 2000,
  registry: 'example.com:5000',
  parts: [
    { digest: '', sizeBytes: 0, startMs: 0, endMs: 2000, spans: { name: 3, connect: 7, answer: 90, commit: 300 } },
    {
      digest: 'sha256:a1b2c3d4e5f60718',
      sizeBytes: 60_700_000,
      startMs: 100,
      endMs: 1700,
      spans: { answer: 10, download: 390, decompress: 400, hash: 100, write: 700 },
    },
    { digest: 'sha256:ffff00001111', sizeBytes: 512, startMs: 100, endMs: 900, spans: { queue: 700, download: 50 } },
  ],
};

test('the time of a pull is drawn layer by layer, to scale, with the numbers below', () => {
  const text = pullTraceText(trace, 120);
  assert.match(text, /^Where the 2.00 s of this pull went \(example.com:5000\):$/m);
  const rowOf = (name: string): string => text.split('\n').find(line => line.startsWith(name)) ?? '';
  const bar = rowOf('a1b2c3d4e5f6 ');
  assert.match(bar, /60.7MB/);
  assert.match(bar, /1.60 s$/);
  const count = (line: string, sign: string): number => line.split(sign).length - 1;
  // 78 columns are 2 s.
  assert.ok(Math.abs(count(bar, '█') - 27) <= 1, bar);
  assert.ok(Math.abs(count(bar, '▒') - 15) <= 1, bar);
  assert.ok(count(rowOf('ffff00001111'), '·') >= 26, rowOf('ffff00001111'));
  assert.match(text, /^LAYER +WAITING +NAME +CONNECT +ANSWER +DOWNLOAD +DECOMPRESS +HASH +WRITE +COMMIT$/m);
  assert.match(text, /^a1b2c3d4e5f6 +10 ms +390 ms +400 ms +100 ms +700 ms$/m);
  for (const line of text.split('\n')) assert.ok(line.length <= 120, line);
});

test('a narrow terminal, and a pull that had nothing to do, are drawn too', () => {
  assert.ok(pullTraceText(trace, 30).includes('a1b2c3d4e5f6'));
  const parts = [{ digest: '', sizeBytes: 0, startMs: 0, endMs: 5, spans: { answer: 4 } }];
  assert.match(pullTraceText({ totalMs: 5, registry: 'r', parts }), /Where the 5 ms of this pull went/);
  assert.equal(pullTrace({ Tag: 'v1' }), undefined);
  assert.equal(pullTrace(undefined), undefined);
});
