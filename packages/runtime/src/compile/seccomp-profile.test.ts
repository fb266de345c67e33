import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seccomp } from '@gantry/linux';
import { dockerSpec } from './fixtures/docker-spec.ts';
import { parseDockerProfile, resolveProfile, resolveSeccomp } from './seccomp-profile.ts';

const ALLOW = 0x7fff0000;
const EPERM = 0x00050001;
const ENOSYS = 0x00050026;
const standard = dockerSpec('id', []).process.capabilities?.bounding ?? [];

/** What Docker's default profile answers to a call on x86-64. */
function answer(name: string, args: bigint[] = [], capabilities = standard): number {
  const profile = resolveSeccomp('builtin', { capabilities, arch: 'x64', kernel: { major: 6, minor: 1 } });
  assert.ok(profile);
  const native = seccomp.nativeArchitecture('x64');
  const number = native.numbers().get(name);
  assert.ok(number !== undefined, name);
  return seccomp.interpretFilter(seccomp.assembleFilter(profile, native), { number, audit: native.audit, args });
}

test('the default profile lets ordinary programs work and keeps the kernel shut', () => {
  for (const name of ['read', 'openat2', 'clone', 'futex_waitv', 'statx', 'chroot', 'io_submit', 'mseal', 'ptrace']) {
    assert.equal(answer(name), ALLOW, name);
  }
  for (const name of ['mount', 'bpf', 'init_module', 'reboot', 'keyctl', 'io_uring_setup', 'userfaultfd', 'unshare']) {
    assert.equal(answer(name), EPERM, name);
  }
});

test('new namespaces, virtual machine sockets and odd personalities are refused by their arguments', () => {
  assert.equal(answer('clone', [0x10000000n]), EPERM);
  assert.equal(answer('clone', [0x11n]), ALLOW);
  assert.equal(answer('clone3'), ENOSYS);
  assert.equal(answer('socket', [2n]), ALLOW);
  assert.equal(answer('socket', [40n]), EPERM);
  assert.equal(answer('personality', [0xffffffffn]), ALLOW);
  assert.equal(answer('personality', [0x40000n]), EPERM);
});

test('capabilities open what belongs to them', () => {
  const admin = [...standard, 'CAP_SYS_ADMIN'];
  assert.equal(answer('mount', [], admin), ALLOW);
  assert.equal(answer('clone', [0x10000000n], admin), ALLOW);
  assert.equal(answer('clone3', [], admin), ALLOW);
  assert.equal(answer('chroot', [], []), EPERM);
});

test('equal questions share one resolved profile', () => {
  const context = { capabilities: standard };
  assert.equal(resolveSeccomp('builtin', context), resolveSeccomp('builtin', { capabilities: standard.toReversed() }));
});

test('conditions of kernel, processor and capabilities decide which rules stay', () => {
  const profile = parseDockerProfile(
    JSON.stringify({
      defaultAction: 'SCMP_ACT_ERRNO',
      archMap: [{ architecture: 'SCMP_ARCH_AARCH64', subArchitectures: ['SCMP_ARCH_ARM'] }],
      syscalls: [
        { name: 'read', action: 'SCMP_ACT_ALLOW' },
        { names: ['ptrace'], action: 'SCMP_ACT_ALLOW', includes: { minKernel: '4.8' } },
        { names: ['bpf'], action: 'SCMP_ACT_ALLOW', includes: { caps: ['CAP_BPF', 'CAP_SYS_ADMIN'] } },
        { names: ['kcmp'], action: 'SCMP_ACT_ALLOW', excludes: { arches: ['arm64'] } },
        { names: ['acct'], action: 'SCMP_ACT_ALLOW', excludes: { minKernel: '6.0' }, args: [] },
      ],
    }),
  );
  const kept = (capabilities: string[], arch: 'x64' | 'arm64', major: number) =>
    resolveProfile(profile, { capabilities, arch, kernel: { major, minor: 0 } })?.syscalls.flatMap(
      ({ names }) => names,
    );
  assert.deepEqual(kept([], 'arm64', 6), ['read', 'ptrace']);
  assert.deepEqual(kept(['CAP_BPF'], 'x64', 4), ['read', 'kcmp', 'acct']);
  assert.deepEqual(kept(['CAP_BPF', 'CAP_SYS_ADMIN'], 'x64', 6), ['read', 'ptrace', 'bpf', 'kcmp']);
  assert.deepEqual(resolveProfile(profile, { capabilities: [], arch: 'arm64' })?.architectures, [
    'SCMP_ARCH_AARCH64',
    'SCMP_ARCH_ARM',
  ]);
});

test('numbers of 64 bits keep all their digits', () => {
  const profile = parseDockerProfile(
    '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["prctl"],"action":"SCMP_ACT_ERRNO","args":' +
      '[{"index":1,"value":18446744073709551615,"valueTwo":0,"op":"SCMP_CMP_EQ"}]}]}',
  );
  const resolved = resolveProfile(profile, { capabilities: [] });
  assert.deepEqual(resolved?.syscalls[0]?.args, [
    { index: 1, value: 0xffffffffffffffffn, valueTwo: 0n, op: 'SCMP_CMP_EQ' },
  ]);
});

test('mistakes in a profile are told in the words of dockerd', () => {
  const resolve = (profile: unknown) =>
    resolveSeccomp(typeof profile === 'string' ? profile : JSON.stringify(profile), { capabilities: [] });
  assert.throws(() => resolve('{'), /^GantryError: Decoding seccomp profile failed: /);
  assert.throws(
    () => resolve({ defaultAction: 'SCMP_ACT_ALLOW', architectures: ['SCMP_ARCH_X86'], archMap: [{}], syscalls: [] }),
    /both 'architectures' and 'archMap' are specified in the seccomp profile/,
  );
  const rule = (rest: object) => ({
    defaultAction: 'SCMP_ACT_ALLOW',
    syscalls: [{ names: ['read'], action: 'SCMP_ACT_ERRNO', ...rest }],
  });
  assert.throws(() => resolve(rule({ name: 'write' })), /both 'name' and 'names' are specified/);
  assert.throws(() => resolve(rule({ action: 'NO' })), /string NO is not a valid action for seccomp/);
  assert.throws(() => resolve(rule({ args: [{ index: 0, value: 1, op: 'NO' }] })), /NO is not a valid operator/);
  assert.throws(() => resolve(rule({ includes: { minKernel: '4' } })), /invalid kernel version: "4"/);
  assert.equal(resolve({ syscalls: [] }), undefined);
});
