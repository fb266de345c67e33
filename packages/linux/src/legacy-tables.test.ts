import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { legacyForward } from './legacy-tables.ts';
import { inOwnNetwork } from './testing/own-network.ts';

inOwnNetwork(import.meta.filename, () => {
  const missing =
    spawnSync('iptables-legacy', ['-S']).status === 0
      ? false
      : 'this machine lacks iptables-legacy, or its kernel does';

  for (const [family, program] of [
    [4, 'iptables-legacy'],
    [6, 'ip6tables-legacy'],
  ] as const) {
    const run = (...args: string[]): unknown => execFileSync(program, args);

    test(`what the forward chain of ${program} does with the rest is known`, { skip: missing }, () => {
      run('-S');
      assert.equal(legacyForward(family)?.drops, false);
      run('-A', 'INPUT', '-j', 'DROP');
      run('-A', 'FORWARD', '-p', 'tcp', '-j', 'DROP');
      run('-A', 'FORWARD', '-m', 'mark', '--mark', '7', '-j', 'DROP');
      assert.equal(legacyForward(family)?.drops, false, 'a rule for some is not for the rest');
      run('-P', 'FORWARD', 'DROP');
      assert.equal(legacyForward(family)?.drops, true);
      run('-P', 'FORWARD', 'ACCEPT');
      run('-A', 'FORWARD', '-j', 'REJECT');
      assert.equal(legacyForward(family)?.drops, true);
      run('-I', 'FORWARD', '-j', 'ACCEPT');
      assert.equal(legacyForward(family)?.drops, false, 'nothing comes to the last rule');
      run('-D', 'FORWARD', '-j', 'ACCEPT');
      run('-I', 'FORWARD', '-i', 'gantry0', '-j', 'ACCEPT');
      run('-I', 'FORWARD', '-o', 'br-1', '-j', 'ACCEPT');
      run('-I', 'FORWARD', '-i', 'br-2', '-p', 'udp', '-j', 'ACCEPT');
      assert.deepEqual(legacyForward(family), {
        drops: true,
        admitsFrom: new Set(['gantry0']),
        admitsTo: new Set(['br-1']),
      });
    });
  }

  test('a table that nobody uses is not made by the look', () => {
    if (missing) assert.equal(legacyForward(4), undefined);
  });
});
