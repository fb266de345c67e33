import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { inOwnNetwork } from '@gantry/linux/testing';
import {
  HOST_ADDRESS,
  NEIGHBOR_ADDRESS,
  openTestStack,
  publish,
  startContainer,
  startNeighbor,
} from '../testing/host.ts';

function nft(script: string): string {
  return execFileSync('nft', ['-f', '-'], { input: script, encoding: 'utf8' });
}

inOwnNetwork(import.meta.filename, () => {
  test('containers work beside a program that refuses at the end of its chain, as firewalld does, also after its reload', async () => {
    using neighbor = await startNeighbor();
    const { stack, warnings } = await openTestStack();
    await using _ = stack;
    await neighbor.serve('tcp', 7000);
    const web = await startContainer(stack, [publish(80, 8080)]);
    using __ = web.sandbox;
    await web.sandbox.serve('tcp', 80);
    for (const _ of ['start', 'reload']) {
      nft(`table inet firewalld
        delete table inet firewalld
        table inet firewalld {
          chain filter_FORWARD { type filter hook forward priority 10; policy accept;
            ct state established,related accept
            iifname "lo" accept
            reject with icmpx admin-prohibited
          }
        }`);
      await assert.rejects(web.sandbox.call('tcp', NEIGHBOR_ADDRESS, 7000), /EHOSTUNREACH|EACCES|ECONNREFUSED/);
      await stack.repair();
      assert.equal(await web.sandbox.call('tcp', NEIGHBOR_ADDRESS, 7000), HOST_ADDRESS);
      assert.equal(await neighbor.call('tcp', HOST_ADDRESS, 8080), NEIGHBOR_ADDRESS);
    }
    assert.deepEqual(warnings, []);
  });
});
