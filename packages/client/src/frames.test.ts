import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FrameDecoder } from './frames.ts';

function frame(stream: number, text: string): Buffer {
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(Buffer.byteLength(text), 4);
  return Buffer.concat([header, Buffer.from(text)]);
}

test('frames are put together again wherever they were cut', () => {
  const bytes = Buffer.concat([
    frame(1, 'one\n'),
    frame(2, 'err\n'),
    frame(1, ''),
    frame(1, 'two\n'),
    frame(1, 'three'),
  ]);
  for (let size = 1; size <= bytes.length; size++) {
    const out = { stdout: '', stderr: '' };
    const decoder = new FrameDecoder((stream, piece) => {
      out[stream] += piece.toString();
    });
    for (let at = 0; at < bytes.length; at += size) decoder.push(bytes.subarray(at, at + size));
    assert.deepEqual(out, { stdout: 'one\ntwo\nthree', stderr: 'err\n' });
  }
});

test('payloads of one stream that came together are given together', () => {
  const pieces: string[] = [];
  const decoder = new FrameDecoder((_, piece) => pieces.push(piece.toString()));
  decoder.push(Buffer.concat([frame(1, 'a'), frame(1, 'b'), frame(2, 'c'), frame(1, 'd')]));
  assert.deepEqual(pieces, ['ab', 'c', 'd']);
});

test('bytes that are no frames are refused', () => {
  const decoder = new FrameDecoder(() => {});
  assert.throws(() => decoder.push(Buffer.from('plain text')), /Unrecognized input header: 112/);
});
