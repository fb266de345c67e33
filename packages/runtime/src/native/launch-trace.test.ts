import assert from 'node:assert/strict';
import { test } from 'node:test';
import { netlink } from '@gantry/linux';
import type { LaunchTrace } from '../launch.ts';
import type { Step } from '../plan/steps.ts';
import { Bench, NEW_NAMESPACES, needsRoot, shell } from './container.fixture.ts';

const loopback = (up: boolean): Step => ({
  op: 'netlink',
  protocol: netlink.NetlinkProtocol.route,
  message: netlink.encode([netlink.setLink({ name: 'lo' }, { up })]).bytes,
});

test('a traced launch tells when each step began, in the order of the plan', needsRoot, async () => {
  await using bench = new Bench();
  const plan = {
    cloneFlags: NEW_NAMESPACES,
    prepare: [{ op: 'mkdirAll', path: bench.directory, mode: 0o700 } as const],
    parent: [],
    child: [loopback(true), ...shell('exit 3')],
  };
  const traces: (LaunchTrace | undefined)[] = [];
  const beforeNs = process.hrtime.bigint();
  const shim = await bench.launch([], { plan, onTrace: trace => traces.push(trace) });
  const afterNs = process.hrtime.bigint();
  assert.equal(traces.length, 1);
  const [trace] = traces;
  assert.ok(trace);
  assert.deepEqual([trace.prepareNs.length, trace.parentNs.length, trace.childNs.length], [1, 0, 3]);
  const { receivedNs, prepareNs, cloneNs, parentEndNs, childNs, runningNs } = trace;
  const sequences = [
    [beforeNs, receivedNs, ...prepareNs, cloneNs, parentEndNs, runningNs, afterNs],
    [cloneNs, ...childNs, runningNs],
  ];
  for (const times of sequences) {
    assert.deepEqual(
      times,
      times.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0)),
    );
  }
  assert.equal((await shim.exited).code, 3);
});

test('nobody is told of a launch that failed', needsRoot, async () => {
  await using bench = new Bench();
  let told = false;
  const child: Step[] = [{ op: 'exec', argv: ['/nosuch'], env: [] }];
  await assert.rejects(bench.launch(child, { onTrace: () => (told = true) }), /nosuch/);
  assert.equal(told, false);
});
