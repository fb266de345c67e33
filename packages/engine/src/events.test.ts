import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EventMessage } from './documents/index.ts';
import { EventLog } from './events.ts';
import { nowNs } from './time.ts';

const filters = (entries: Record<string, string[]>) =>
  new Map(Object.entries(entries).map(([k, v]) => [k, new Set(v)]));

async function take(events: AsyncIterable<EventMessage>): Promise<string[]> {
  const actions: string[] = [];
  for await (const event of events) actions.push(event.Action);
  return actions;
}

test('past events come first, then new ones until the reader ends', async () => {
  const log = new EventLog();
  const abort = new AbortController();
  log.publish('container', 'create', 'c1', { image: 'busybox', name: 'web' });
  const seen = take(log.subscribe({ sinceNs: 0n, filters: new Map() }, abort.signal));
  const onlyNew = take(log.subscribe({ filters: new Map() }, abort.signal));
  log.publish('container', 'start', 'c1', { image: 'busybox', name: 'web' });
  setImmediate(() => abort.abort());
  assert.deepEqual(await seen, ['create', 'start']);
  assert.deepEqual(await onlyNew, ['start']);
  assert.equal(log.listeners, 0);
});

test('an until in the past ends the stream after what is kept', async () => {
  const log = new EventLog();
  log.publish('volume', 'create', 'v', { driver: 'local' });
  const seen = take(log.subscribe({ untilNs: nowNs(), filters: new Map() }, new AbortController().signal));
  assert.deepEqual(await seen, ['create']);
});

test('filters select by type, action, container, image without its tag, and label', async () => {
  const log = new EventLog();
  const attributes = { image: 'busybox:1.36', name: 'web', tier: 'front' };
  log.publish('container', 'exec_create: true ', 'c1', { ...attributes });
  log.publish('container', 'die', 'c2', { image: 'debian', name: 'db' });
  log.publish('network', 'connect', 'n1', { name: 'bridge' });
  const rows: [Record<string, string[]>, string[]][] = [
    [{ type: ['network'] }, ['connect']],
    [{ event: ['exec_create'] }, ['exec_create: true ']],
    [{ event: ['exec'] }, []],
    [{ container: ['db'] }, ['die']],
    [{ container: ['c1'] }, ['exec_create: true ']],
    [{ image: ['busybox'] }, ['exec_create: true ']],
    [{ label: ['tier=front'] }, ['exec_create: true ']],
    [{ network: ['bri'] }, ['connect']],
    [{ scope: ['swarm'] }, []],
  ];
  for (const [wanted, actions] of rows) {
    const events = log.subscribe({ untilNs: nowNs(), filters: filters(wanted) }, new AbortController().signal);
    assert.deepEqual(await take(events), actions, JSON.stringify(wanted));
  }
});

test('a reader that is too slow is ended, the others go on', async () => {
  const log = new EventLog();
  const abort = new AbortController();
  const slow = log.subscribe({ filters: new Map() }, abort.signal);
  for (let i = 0; i < 5000; i++) log.publish('daemon', 'reload', 'd', {});
  assert.equal(log.listeners, 0);
  assert.equal((await take(slow)).length, 4096);
});
