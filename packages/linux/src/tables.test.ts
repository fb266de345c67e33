import assert from 'node:assert/strict';
import { test } from 'node:test';
import { availableCapabilities, CAPABILITIES, capabilityBit, capabilityMask, capabilityNames } from './capabilities.ts';
import { deviceNumber, splitDeviceNumber } from './device-number.ts';
import { kernelAtLeast, parseKernelVersion } from './kernel.ts';
import { mountOf, parseMountInfo } from './mountinfo.ts';
import { processStartTime, readLimit } from './process.ts';
import { rlimitNumber } from './rlimits.ts';
import { signalName, signalNumber } from './signals.ts';
import { sysctlDotted, sysctlNamespace, sysctlPath } from './sysctls.ts';

test('capabilities are bits in the order of the kernel', () => {
  assert.equal(CAPABILITIES.length, 41);
  assert.equal(capabilityBit('CAP_SYS_ADMIN'), 21);
  assert.equal(capabilityBit('CAP_CHECKPOINT_RESTORE'), 40);
  assert.equal(capabilityMask(['CAP_CHOWN', 'CAP_BPF', 'CAP_OF_TOMORROW']), 1n | (1n << 39n));
  assert.deepEqual(capabilityNames(0b101n), ['CAP_CHOWN', 'CAP_DAC_READ_SEARCH']);
  assert.equal(availableCapabilities() >> 41n, 0n);
});

test('signals are known by name, with or without SIG, and by number', () => {
  const numbers = ['SIGKILL', 'kill', 'TERM', '15', 'RTMIN', 'SIGRTMIN+3', 'RTMAX-1', 'rtmax', 'CLD', 'WINCH'];
  assert.deepEqual(numbers.map(signalNumber), [9, 9, 15, 15, 34, 37, 63, 64, 17, 28]);
  assert.deepEqual(['0', 'SIG', 'NONE', 'RTMIN+16', '-1'].map(signalNumber), Array(5).fill(undefined));
  assert.equal(signalName(9), 'KILL');
  assert.equal(signalName(99), undefined);
});

test('limits are known by the names of OCI and of Docker', () => {
  assert.deepEqual(['RLIMIT_NOFILE', 'nofile', 'rtprio', 'none'].map(rlimitNumber), [7, 7, 14, undefined]);
  const { soft, hard } = readLimit(7);
  assert.ok(soft > 0n && soft <= hard);
});

test('settings of the kernel belong to a namespace or to the machine', () => {
  const names = ['kernel.shmmax', 'fs.mqueue.msg_max', 'net.ipv4.ip_forward', 'kernel.domainname', 'vm.swappiness'];
  assert.deepEqual(names.map(sysctlNamespace), ['ipc', 'ipc', 'network', 'uts', undefined]);
});

test('the first separator of a setting decides how the others are read', () => {
  assert.equal(sysctlDotted('net/ipv4/conf/eth0.100/forwarding'), 'net.ipv4.conf.eth0/100.forwarding');
  assert.equal(sysctlPath('net/ipv4/conf/eth0.100/forwarding'), 'net/ipv4/conf/eth0.100/forwarding');
  assert.equal(sysctlPath('net.ipv4.conf.eth0/100.forwarding'), 'net/ipv4/conf/eth0.100/forwarding');
});

test('device numbers split and join, beyond 8 bits too', () => {
  for (const [major, minor] of [
    [8, 1],
    [259, 300_000],
    [4095, 1_048_575],
  ] as const) {
    assert.deepEqual(splitDeviceNumber(Number(deviceNumber(major, minor))), { major, minor });
  }
});

test('versions of kernels compare by their two first numbers', () => {
  const version = parseKernelVersion('6.1.0-56-amd64');
  assert.deepEqual(version, { major: 6, minor: 1 });
  assert.deepEqual(
    [kernelAtLeast(5, 12, version), kernelAtLeast(6, 1, version), kernelAtLeast(6, 5, version)],
    [true, true, false],
  );
});

test('mounts are read with blanks in their names, and the one on top is found', () => {
  const mounts = parseMountInfo(
    [
      '22 1 254:0 / / rw shared:1 - ext4 /dev/vda rw',
      '23 22 0:5 /a\\040b /mnt/c\\040d ro,nosuid shared:2 master:1 - tmpfs t\\134x rw,size=1k',
      '24 22 0:6 / /mnt/c\\040d rw - tmpfs covers rw',
    ].join('\n'),
  );
  assert.deepEqual(mounts[1], {
    id: 23,
    parentId: 22,
    major: 0,
    minor: 5,
    root: '/a b',
    mountPoint: '/mnt/c d',
    options: ['ro', 'nosuid'],
    propagation: ['shared:2', 'master:1'],
    type: 'tmpfs',
    source: 't\\x',
    superOptions: ['rw', 'size=1k'],
  });
  assert.equal(mountOf(mounts, '/mnt/c d/e')?.source, 'covers');
  assert.equal(mountOf(mounts, '/mnt/c dd')?.id, 22);
});

test('a process is known for good by its start time', () => {
  assert.equal(processStartTime(process.pid), processStartTime(process.pid));
  assert.equal(processStartTime(2 ** 30), undefined);
});
