/** On the kernel of Debian 12 (6.1: cgroup v2, AppArmor, overlay mounts by path) instead of the one of this machine. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runInVm, testInVm, vmSkip } from '../harness/vm.ts';

/**
 * Other files can be named in GANTRY_TEST_VM_FILES, such as packages/network/src/drivers/sub-interface.test.ts (ipvlan, VLANs and dummy
 * links, which take minutes there); those that compile programs need GANTRY_TEST_PROGRAMS there.
 */
const files = process.env.GANTRY_TEST_VM_FILES ?? 'test/containers/apparmor.test.ts test/containers/cgroup-v2.test.ts';

test(`on Debian 12: ${files}`, { skip: vmSkip() }, async () => {
  const { code, output } = await runInVm(testInVm(files.split(' ')), ['--timeout', '800']);
  assert.equal(code, 0, output);
  assert.match(output, /^# pass [1-9]/m, output);
  assert.match(output, /^# skipped 0$/m, output);
});
