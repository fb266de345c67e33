import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import type { Context } from './command.ts';
import { detachSequence, followSize } from './session.ts';

test('detach keys are read as Docker writes them', () => {
  assert.deepEqual([...detachSequence(undefined)], [16, 17]);
  assert.deepEqual([...detachSequence('a,ctrl-],ctrl-@')], [97, 29, 0]);
  assert.throws(() => detachSequence('foo'), /invalid detach keys/);
});

test('a terminal that is attached to again is told another size first, so that the prompt is drawn', async () => {
  const stdout = Object.assign(new EventEmitter(), { isTTY: true, rows: 30, columns: 100 });
  const context = { stdout } as unknown as Context;
  const told: string[] = [];
  const resize = async (rows: number, columns: number) => void told.push(`${rows}x${columns}`);
  using _attached = followSize(context, resize, { redraw: true });
  await new Promise(setImmediate);
  assert.deepEqual(told.splice(0), ['31x101', '30x100']);
  using _started = followSize(context, resize);
  assert.deepEqual(told.splice(0), ['30x100']);
});
