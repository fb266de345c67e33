import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Shim } from '@gantry/runtime';
import { fakeContainer, fakeContext } from '../testing/fake-context.ts';
import { stopRunning } from './stop.ts';

test('a stop succeeds when the container ends at the moment that its time is over', async () => {
  const context = fakeContext();
  const container = fakeContainer({ id: 'brief' });
  const ended = Promise.withResolvers<void>();
  // The exit waits for the lock that the signal holds, and takes longer than the stop has time.
  const signal: Shim['signal'] = async () => {
    void container.lock.run(async () => {
      await delay(20);
      container.rest();
      ended.resolve();
    });
  };
  const facts = { endpoints: [], cgroupPath: '/brief', hostMounts: [], launched: true };
  container.become({ status: 'running', run: { shim: { signal } as Shim, facts, ended: ended.promise } });
  await stopRunning(context, container, { timeoutSeconds: 0 });
  assert.equal(container.isUp, false);
  await context.settled();
});
