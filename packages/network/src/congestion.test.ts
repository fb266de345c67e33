import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { inOwnNetwork } from '@gantry/linux/testing';
import { openTestStack, startContainer } from './testing/host.ts';

const TCP = '/proc/sys/net/ipv4/tcp';

/** How TCP controls congestion on the ways of a new container, on a host whose default is `host`. */
async function ways(host: string, more: { readonly ownCongestion?: boolean } = {}) {
  writeFileSync(`${TCP}_congestion_control`, host);
  const { stack } = await openTestStack();
  try {
    const { sandbox } = await startContainer(stack, [], 'bridge', more);
    using _ = sandbox;
    const routes = await sandbox.routes();
    return routes.map(({ destination, congestion }) => [
      destination?.address ?? 'default',
      congestion ?? 'as the host',
    ]);
  } finally {
    await stack[Symbol.asyncDispose]();
  }
}

inOwnNetwork(import.meta.filename, () => {
  const paces = readFileSync(`${TCP}_allowed_congestion_control`, 'utf8').split(/\s+/).includes('bbr');

  test('where the host paces what TCP sends, a container paces what leaves the machine, and nothing else', {
    skip: paces ? false : 'this host has no BBR',
  }, async () => {
    assert.deepEqual(await ways('bbr'), [
      ['default', 'as the host'],
      ['172.17.0.0', 'reno'],
    ]);
    assert.deepEqual(await ways('bbr', { ownCongestion: true }), [
      ['default', 'as the host'],
      ['172.17.0.0', 'as the host'],
    ]);
  });

  test('a host that does not pace is asked for nothing', async () => {
    assert.deepEqual(await ways('reno'), [
      ['default', 'as the host'],
      ['172.17.0.0', 'as the host'],
    ]);
  });
});
