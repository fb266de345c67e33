import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type HiddenFile, LayerTree } from './layer-tree.ts';

function tree() {
  const hidden: HiddenFile[] = [];
  return { hidden, tree: new LayerTree(one => hidden.push(one)) };
}
const told = (hidden: readonly HiddenFile[]) =>
  hidden.map(({ path, layer, by, how }) => `${path} of ${layer} ${how} by ${by}`);

test('a file that a later layer has again, removes, or covers with its directory is hidden', () => {
  const { hidden, tree: layers } = tree();
  for (const path of ['a', 'd/one', 'd/two', 'e/deep/er']) layers.put({ path, layer: 0, sizeBytes: 10 });
  layers.put({ path: 'a', layer: 1, sizeBytes: 5 });
  layers.remove('d/one', 1);
  layers.put({ path: 'e', layer: 2, sizeBytes: 1 });
  assert.deepEqual(told(hidden), [
    'a of 0 overwritten by 1',
    'd/one of 0 removed by 1',
    'e/deep/er of 0 overwritten by 2',
  ]);
  assert.deepEqual([...layers.visible()].map(({ path, layer }) => `${path} of ${layer}`).sort(), [
    'a of 1',
    'd/two of 0',
    'e of 2',
  ]);
});

test('an opaque directory hides what is below it, whichever comes first in its layer', () => {
  const { hidden, tree: layers } = tree();
  layers.put({ path: 'd/old', layer: 0, sizeBytes: 10 });
  layers.put({ path: 'd/new', layer: 1, sizeBytes: 10 });
  layers.opaque('d', 1);
  assert.deepEqual(told(hidden), ['d/old of 0 removed by 1']);
  assert.deepEqual(
    [...layers.visible()].map(({ path }) => path),
    ['d/new'],
  );
});

test('a directory in the place of a file hides it; one over a directory does not', () => {
  const { hidden, tree: layers } = tree();
  layers.put({ path: 'x', layer: 0, sizeBytes: 10 });
  layers.put({ path: 'd/in', layer: 0, sizeBytes: 10 });
  layers.directory('x', 1);
  layers.directory('d', 1);
  assert.deepEqual(told(hidden), ['x of 0 overwritten by 1']);
});
