import assert from 'node:assert/strict';
import { readlinkSync } from 'node:fs';
import { test } from 'node:test';
import type { Shim } from '@gantry/runtime';
import { fakeContainer, fakeContext } from '../testing/fake-context.ts';
import { fillHostConfig } from '../validate/fill.ts';
import { namespaceJoins } from './joins.ts';

const owner = 'a'.repeat(64);

/** The joins of a container whose network is that of another, whose process is this test. */
function joinsBeside(shimPid: number, held: DisposableStack): ReturnType<typeof namespaceJoins> {
  const context = fakeContext();
  const other = fakeContainer({ id: owner });
  const shim = { pid: process.pid, shimPid } as unknown as Shim;
  const facts = { endpoints: [], cgroupPath: '', hostMounts: [], launched: true };
  other.become({ status: 'running', run: { shim, facts, ended: Promise.resolve() } });
  context.containers.add(other);
  const hostConfig = { ...fillHostConfig({}), NetworkMode: `container:${owner}` };
  return namespaceJoins(context, fakeContainer({ id: 'b'.repeat(64), hostConfig }), held);
}

test('a namespace is held open while it is joined', () => {
  using held = new DisposableStack();
  const { network = '' } = joinsBeside(process.ppid, held);
  assert.equal(readlinkSync(network), readlinkSync('/proc/self/ns/net'));
});

test('a process that has the number of one that ended lends its namespaces to nobody', () => {
  using held = new DisposableStack();
  assert.throws(() => joinsBeside(process.pid, held), /^GantryError: failed to join NET namespace: .* has just ended/);
});
