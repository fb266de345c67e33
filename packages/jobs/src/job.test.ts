import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CleanupStack } from './cleanup.ts';
import { JobLog } from './job.ts';

test('a job that failed is kept with its error and its spans', async () => {
  const log = new JobLog(1);
  await log.run('container.create', 'first', async () => {});
  await assert.rejects(
    log.run('container.start', 'c1', async job => {
      assert.equal(log.running.size, 1);
      await job.span('mount the root', () => Promise.reject(new Error('no space')));
    }),
    /no space/,
  );
  assert.equal(log.running.size, 0);
  assert.equal(log.ended.length, 1);
  const [job] = log.ended;
  assert.equal(job?.outcome, 'failed');
  assert.deepEqual(
    job?.spans.map(span => span.name),
    ['mount the root'],
  );
});

test('cleanups run in reverse on failure, one that throws stops none, and a commit forgets them', async () => {
  const ran: string[] = [];
  const failed: string[] = [];
  {
    await using undo = new CleanupStack(what => failed.push(what));
    undo.push('first', () => ran.push('first'));
    undo.push('second', () => {
      throw new Error('stuck');
    });
    undo.push('third', async () => ran.push('third'));
  }
  assert.deepEqual(ran, ['third', 'first']);
  assert.deepEqual(failed, ['second']);
  {
    await using undo = new CleanupStack();
    undo.push('never', () => ran.push('never'));
    undo.commit();
  }
  assert.equal(ran.length, 2);
});
