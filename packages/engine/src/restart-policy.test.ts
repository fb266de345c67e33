import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RestartDecider } from './restart-policy.ts';

const failed = { exitCode: 1, manuallyStopped: false, ranMs: 5 };

test('the delay doubles up to a minute and is short again after a long run', () => {
  const decider = new RestartDecider();
  const policy = { Name: 'always', MaximumRetryCount: 0 };
  assert.equal(decider.next(policy, failed), 100);
  assert.equal(decider.next(policy, failed), 200);
  for (let i = 0; i < 12; i++) decider.next(policy, failed);
  assert.equal(decider.next(policy, failed), 60_000);
  assert.equal(decider.next(policy, { ...failed, ranMs: 10_000 }), 100);
});

test('on-failure counts its restarts and leaves success alone', () => {
  const decider = new RestartDecider();
  const policy = { Name: 'on-failure', MaximumRetryCount: 2 };
  assert.equal(decider.next(policy, { ...failed, exitCode: 0 }), undefined);
  assert.equal(decider.next(policy, failed), 100);
  assert.equal(decider.next(policy, failed), 200);
  assert.equal(decider.next(policy, failed), undefined);
});

test('a container stopped by a person stays down', () => {
  const decider = new RestartDecider();
  decider.cancel();
  assert.equal(decider.next({ Name: 'always', MaximumRetryCount: 0 }, failed), undefined);
  const stopped = { ...failed, manuallyStopped: true };
  assert.equal(new RestartDecider().next({ Name: 'unless-stopped', MaximumRetryCount: 0 }, stopped), undefined);
  assert.equal(new RestartDecider().next({ Name: '', MaximumRetryCount: 0 }, failed), undefined);
});
