import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { inOwnNetwork } from '@gantry/linux/testing';
import type { LinkedPort } from '../face.ts';
import { openTestStack, startContainer, type TestContainer, type TestStack } from '../testing/host.ts';

const elements = (): string =>
  execFileSync('nft', ['list', 'set', 'inet', 'gantry', 'linked'], { encoding: 'utf8' }).replace(/\s+/g, ' ');

/** A default bridge that keeps its containers apart, and what links open on it. */
inOwnNetwork(import.meta.filename, () => {
  let opened: TestStack;
  let app: TestContainer;
  let db: TestContainer;
  let other: TestContainer;

  before(async () => {
    opened = await openTestStack({ defaultBridge: { icc: false } });
    [app, db, other] = [
      await startContainer(opened.stack),
      await startContainer(opened.stack),
      await startContainer(opened.stack),
    ];
    await db.sandbox.serve('tcp', 80);
    await db.sandbox.serve('tcp', 81);
    await db.sandbox.serve('udp', 53);
    await app.sandbox.serve('tcp', 80);
  });
  after(() => {
    for (const { sandbox } of [app, db, other]) sandbox[Symbol.dispose]();
    assert.deepEqual(opened.warnings, []);
  });

  const port = (number: number, protocol: LinkedPort['protocol'] = 'tcp'): LinkedPort => ({
    address: db.address,
    protocol,
    port: number,
  });
  const explained = (from: TestContainer, to: number): string => {
    const end = ({ endpoint }: TestContainer) =>
      ({ kind: 'container', name: endpoint.containerId, endpoints: [endpoint] }) as const;
    return opened.stack.path({ from: end(from), to: { ...end(db), port: to }, protocol: 'tcp' }, id => id).verdict;
  };

  test('a link opens its ports to the one that has it, under its own address, and nothing else to nobody else', async () => {
    await assert.rejects(app.sandbox.call('tcp', db.address, 80));
    await opened.stack.link(app.endpoint, [port(80), port(80), port(53, 'udp')]);
    assert.equal(await app.sandbox.call('tcp', db.address, 80), app.address);
    assert.equal(await app.sandbox.call('udp', db.address, 53), app.address);
    await assert.rejects(app.sandbox.call('tcp', db.address, 81), /timeout/);
    await assert.rejects(other.sandbox.call('tcp', db.address, 80), /timeout/);
    await assert.rejects(db.sandbox.call('tcp', app.address, 80), /timeout/);
    assert.deepEqual([explained(app, 80), explained(app, 81), explained(other, 80)], ['arrives', 'dropped', 'dropped']);
  });

  test('rules that were flushed come back with the links', async () => {
    execFileSync('nft', ['flush', 'ruleset']);
    await opened.stack.repair();
    assert.equal(await app.sandbox.call('tcp', db.address, 80), app.address);
    await assert.rejects(other.sandbox.call('tcp', db.address, 80), /timeout/);
  });

  test('what a link opens changes, and closes with the end of the one that has it', async () => {
    await opened.stack.link(app.endpoint, [port(81)]);
    assert.equal(await app.sandbox.call('tcp', db.address, 81), app.address);
    await assert.rejects(app.sandbox.call('tcp', db.address, 80), /timeout/);
    await opened.stack.link(app.endpoint, []);
    assert.doesNotMatch(elements(), /elements/);
    await opened.stack.link(app.endpoint, [port(80)]);
    assert.match(elements(), new RegExp(`elements = \\{ ${app.address} . ${db.address} . tcp . 80 \\}`));
    await opened.stack.detach(app.endpoint);
    assert.doesNotMatch(elements(), /elements/);
  });

  test('a daemon that comes back leaves open what it finds until it knows all, and then no more', async () => {
    await opened.stack.link(other.endpoint, [port(80)]);
    await using stack = (await openTestStack({ store: opened.store, defaultBridge: { icc: false } })).stack;
    assert.match(elements(), /elements/);
    stack.adopt(other.endpoint);
    stack.adopt(db.endpoint);
    await stack.link(other.endpoint, [port(81)]);
    await stack.reconcile();
    assert.match(elements(), new RegExp(`elements = \\{ ${other.address} . ${db.address} . tcp . 81 \\}`));
  });

  test('where links open nothing that is said: without rules, on a host that does not forward', async () => {
    execFileSync('sysctl', ['-qw', 'net.ipv4.ip_forward=0']);
    await assert.rejects(opened.stack.link(other.endpoint, [port(80)]), { kind: 'unavailable', message: /forwards/ });
    execFileSync('sysctl', ['-qw', 'net.ipv4.ip_forward=1']);
    await using stack = (await openTestStack({ bridge: 'gantry1', iptables: false, defaultBridge: { icc: false } }))
      .stack;
    const { endpoint, sandbox } = await startContainer(stack);
    using _ = sandbox;
    await assert.rejects(stack.link(endpoint, [port(80)]), { kind: 'notImplemented', message: /need rules/ });
  });
});
