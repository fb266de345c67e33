import assert from 'node:assert/strict';
import { test } from 'node:test';
import { removeImage } from './image-remove.ts';
import { fakeContainer, fakeContext, fakeImage } from './testing/fake-context.ts';

const plain = { force: false, noPrune: false };
const force = { force: true, noPrune: false };

test('removing one of several names untags, removing the last one deletes', async () => {
  const image = fakeImage('a', ['web:1', 'web:2']);
  const context = fakeContext([image]);
  assert.deepEqual(await removeImage(context, 'web:1', plain), [{ Untagged: 'web:1' }]);
  assert.deepEqual(await removeImage(context, 'web:2', plain), [
    { Untagged: 'web:2' },
    { Deleted: image.id },
    { Deleted: 'sha256:layer' },
  ]);
  await assert.rejects(removeImage(context, 'web:2', plain), { message: 'No such image: web:2', kind: 'notFound' });
});

test('the last tag takes the digests of its repository with it', async () => {
  const image = fakeImage('a', ['web:1'], { repoDigests: [`web@sha256:${'d'.repeat(64)}`] });
  const records = await removeImage(fakeContext([image]), 'web:1', plain);
  assert.deepEqual(records.slice(0, 2), [{ Untagged: 'web:1' }, { Untagged: `web@sha256:${'d'.repeat(64)}` }]);
});

test('by id, an image of several names wants force', async () => {
  const context = fakeContext([fakeImage('a', ['web:1', 'api:1'])]);
  await assert.rejects(removeImage(context, 'aaaa', plain), {
    message: 'conflict: unable to delete aaaaaaaaaaaa (must be forced) - image is referenced in multiple repositories',
    kind: 'conflict',
  });
  assert.equal((await removeImage(context, 'aaaa', force)).length, 4);
});

test('an image that a container needs stays, its name may go by force', async () => {
  const image = fakeImage('a', ['web:1']);
  const context = fakeContext([image]);
  const container = fakeContainer({ id: 'c'.repeat(64), imageId: image.id });
  context.containers.add(container);
  await assert.rejects(removeImage(context, 'web:1', plain), {
    message:
      'conflict: unable to remove repository reference "web:1" (must force) - container cccccccccccc is using its referenced image aaaaaaaaaaaa',
  });
  await assert.rejects(removeImage(context, 'aaaa', plain), {
    message:
      'conflict: unable to delete aaaaaaaaaaaa (must be forced) - image is being used by stopped container cccccccccccc',
  });
  container.become({ status: 'restarting', cancel: () => {} });
  await assert.rejects(removeImage(context, 'aaaa', force), {
    message:
      'conflict: unable to delete aaaaaaaaaaaa (cannot be forced) - image is being used by running container cccccccccccc',
  });
  assert.deepEqual(await removeImage(context, 'web:1', force), [{ Untagged: 'web:1' }]);
});

test('an image with children cannot be removed', async () => {
  const base = fakeImage('a', []);
  const context = fakeContext([base, fakeImage('b', [], { parentId: base.id })]);
  await assert.rejects(removeImage(context, 'aaaa', force), {
    message: 'conflict: unable to delete aaaaaaaaaaaa (cannot be forced) - image has dependent child images',
  });
});

test('one that has a name loses that alone, and stays for its children', async () => {
  const base = fakeImage('a', ['base:1']);
  const context = fakeContext([base, fakeImage('b', [], { parentId: base.id })]);
  assert.deepEqual(await removeImage(context, 'base:1', plain), [{ Untagged: 'base:1' }]);
  assert.ok(context.options.images.list().some(({ id }) => id === base.id));
});
