/** Project quota on the kernel of Debian 12: the one of this machine may lack the quota format. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runInVm, testInVm, vmSkip } from '../harness/vm.ts';

test('on Debian 12 writable layers of both storage drivers and volumes are bounded by project quota', {
  skip: vmSkip(),
}, async () => {
  const files = [
    'packages/images/src/storage/drivers/overlay2.test.ts',
    'packages/images/src/storage/drivers/vfs.test.ts',
    'packages/volumes/src/quota.test.ts',
  ];
  const command = testInVm(files, ["--test-name-pattern='on ext4 holds no more'"]);
  const { code, output } = await runInVm(`modprobe -a loop quota_v2 overlay; ${command}`, ['--timeout', '500']);
  assert.equal(code, 0, output);
  assert.equal(
    output.match(/^ *ok .*a writable layer on ext4 holds no more than its limit, whatever others hold$/gm)?.length,
    2,
    output,
  );
  assert.match(output, /^ *ok .*a volume on ext4 holds no more than its size, also after it was restored$/m);
});
