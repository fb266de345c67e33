import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeContainer, fakeContext } from '../testing/fake-context.ts';
import type { Sample } from './document.ts';
import { StatsSampler } from './sampler.ts';

test('a round that cannot read the times of the host (no descriptor left) is a round without a sample', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let failures = 0;
  const sampler = new StatsSampler(fakeContext(), async () => {
    failures++;
    throw new Error('EMFILE: too many open files');
  });
  const container = fakeContainer({ id: 'a' });
  const heard = Promise.withResolvers<Sample | undefined>();
  using _ = sampler.listen(container, heard.resolve);
  assert.equal(await heard.promise, undefined);
  assert.equal(failures, 1);
});
