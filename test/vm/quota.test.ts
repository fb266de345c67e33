/** Project quota on the kernel of Debian 12: the one of this machine may lack the quota format. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runInVm, TEST_IN_VM, vmSkip } from '../harness/vm.ts';

test('on Debian 12 both storage drivers bound a writable layer by project quota', { skip: vmSkip() }, async () => {
  const drivers = 'packages/images/src/storage/drivers/*.test.ts';
  const { code, output } = await runInVm(
    `modprobe -a loop quota_v2 overlay; ${TEST_IN_VM} --test-name-pattern='on ext4 holds no more' ${drivers}`,
    ['--timeout', '500'],
  );
  assert.equal(code, 0, output);
  assert.equal(
    output.match(/^ *ok .*on ext4 holds no more than its limit, whatever others hold$/gm)?.length,
    2,
    output,
  );
});

test('on Debian 12 a volume holds no more than its size', { skip: vmSkip() }, async () => {
  const { code, output } = await runInVm(
    `modprobe -a loop quota_v2; ${TEST_IN_VM} packages/volumes/src/quota.test.ts`,
    ['--timeout', '300'],
  );
  assert.equal(code, 0, output);
  assert.match(output, /^ok \d+ - a volume on ext4 holds no more than its size, also after it was restored$/m);
});
