import assert from 'node:assert/strict';
import { test } from 'node:test';
import { layerLimit } from './storage-opt.ts';

test('the size of a storage option is read as dockerd does, and others are refused in its words', () => {
  assert.equal(layerLimit({}, 'overlay2'), 0);
  assert.equal(layerLimit({ size: '10G' }, 'overlay2'), 10 * 2 ** 30);
  assert.equal(layerLimit({ Size: '512k' }, 'vfs'), 512 * 1024);
  assert.throws(() => layerLimit({ size: 'x' }, 'overlay2'), { kind: 'system', message: "invalid size: 'x'" });
  assert.throws(() => layerLimit({ foo: '1' }, 'overlay2'), { message: 'Unknown option foo' });
  assert.throws(() => layerLimit({ foo: '1' }, 'vfs'), { message: 'Storage opt foo not supported' });
});
