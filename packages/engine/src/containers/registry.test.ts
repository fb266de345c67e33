import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeContainer } from '../testing/fake-context.ts';
import { ContainerRegistry } from './registry.ts';

const id = (start: string): string => start.padEnd(64, '0');

test('a container is found by id, name, and a prefix that only it has', () => {
  const registry = new ContainerRegistry();
  const [a, b] = [fakeContainer({ id: id('ab1'), name: 'web' }), fakeContainer({ id: id('ab2'), name: 'ab2' })];
  registry.add(a);
  registry.add(b);
  for (const ref of [a.id, 'web', '/web', 'ab1']) assert.equal(registry.find(ref), a, ref);
  // A whole name wins over a prefix.
  assert.equal(registry.find('ab2'), b);
  assert.throws(() => registry.find('ab'), {
    message: 'multiple IDs found with provided prefix: ab',
    kind: 'invalidParameter',
  });
  assert.throws(() => registry.find('we'), { message: 'No such container: we', kind: 'notFound' });
  registry.remove(a);
  assert.equal(registry.find('ab'), b);
  assert.throws(() => registry.find('web'), { kind: 'notFound' });
});

test('a name is taken while its container lives, and while it is being made', () => {
  const registry = new ContainerRegistry();
  assert.equal(registry.reserveName('c1', '/web'), 'web');
  assert.throws(() => registry.reserveName('c2', 'web'), {
    message:
      'Conflict. The container name "/web" is already in use by container "c1". You have to remove (or rename) that container to be able to reuse that name.',
    kind: 'conflict',
  });
  registry.releaseName('web');
  assert.equal(registry.reserveName('c2', 'web'), 'web');
  for (const name of ['a b', '-x', 'x', '/', 'a/b']) {
    assert.throws(() => registry.reserveName('c3', name), {
      message: `Invalid container name (${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`,
    });
  }
});

test('who uses an image or a volume is known without a search', () => {
  const registry = new ContainerRegistry();
  const mount = { type: 'volume', name: 'data' } as ReturnType<typeof fakeContainer>['document']['mounts'][number];
  const container = fakeContainer({ id: id('a'), imageId: 'sha256:1', mounts: [mount] });
  registry.add(container);
  assert.deepEqual([...registry.ofImage('sha256:1')], [container]);
  assert.deepEqual([...registry.ofVolume('data')], [container]);
  registry.remove(container);
  assert.equal(registry.ofImage('sha256:1').size + registry.ofVolume('data').size, 0);
});
