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

function listChain(chain: string): string[] {
  const text = execFileSync('nft', ['list', 'chain', 'ip', 'filter', chain], { encoding: 'utf8' });
  return text.split('\n').flatMap(line => /^\s+(.*(?:accept|drop|return|jump).*)$/.exec(line)?.[1] ?? []);
}

inOwnNetwork(import.meta.filename, () => {
  test('containers work beside a program whose forward chain drops, also when that comes later or flushes', async () => {
    using neighbor = await startNeighbor();
    nft(`table ip filter {
      chain FORWARD { type filter hook forward priority 0; policy drop;
        counter drop
      }
    }`);
    await neighbor.serve('tcp', 7000);
    const { stack, store, warnings } = await openTestStack();
    await using _ = stack;
    using __ = store;
    const web = await startContainer(stack, [publish(80, 8080)]);
    using ___ = web.sandbox;
    await web.sandbox.serve('tcp', 80);
    const works = async (): Promise<void> => {
      assert.equal(await web.sandbox.call('tcp', NEIGHBOR_ADDRESS, 7000), HOST_ADDRESS);
      assert.equal(await neighbor.call('tcp', HOST_ADDRESS, 8080), NEIGHBOR_ADDRESS);
    };
    await works();

    // dockerd starts: it has a chain for others.
    nft(`flush chain ip filter FORWARD
      add chain ip filter DOCKER-USER
      add rule ip filter FORWARD jump DOCKER-USER
      add rule ip filter DOCKER-USER counter return`);
    await stack.reconcile();
    await works();
    assert.match(listChain('DOCKER-USER').at(-1) ?? '', /return$/);

    // Everything is flushed.
    nft('flush ruleset');
    nft('table ip filter {\n chain FORWARD { type filter hook forward priority 0; policy drop;\n }\n }');
    await stack.repair();
    await works();
    assert.equal(listChain('FORWARD').filter(line => line.includes('gantry0')).length, 2);

    // A daemon whose bridge was removed left its rules.
    nft(`add table inet gantry-gone
      add rule ip filter FORWARD iifname "gone" accept comment "gantry: packets from gone are decided in its own table"`);
    await stack.reconcile();
    const all = execFileSync('nft', ['list', 'ruleset'], { encoding: 'utf8' });
    assert.doesNotMatch(all, /gone/);
    assert.match(all, /table inet gantry /);
    await works();
    assert.deepEqual(warnings, []);
  });
});
