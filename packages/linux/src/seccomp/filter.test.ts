import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Architecture, architectureNamed, nativeArchitecture } from './architecture.ts';
import { interpretFilter } from './bpf-interpreter.ts';
import { assembleFilter } from './filter.ts';
import { type FilterArgument, type FilterOperator, type FilterProfile, returnValue } from './profile.ts';

const ENOSYS = 0x00050026;
const KILL = 0;

function named(name: string): Architecture {
  const architecture = architectureNamed(name);
  assert.ok(architecture);
  return architecture;
}

const x86_64 = named('SCMP_ARCH_X86_64');
const i386 = named('SCMP_ARCH_X86');
const x32 = named('SCMP_ARCH_X32');
const aarch64 = named('SCMP_ARCH_AARCH64');
const arm = named('SCMP_ARCH_ARM');

function numberOf(architecture: Architecture, name: string): number {
  const number = architecture.numbers().get(name);
  assert.ok(number !== undefined, name);
  return number;
}

/** A profile that looks like Docker's default one, and uses every operator. */
const MIXED: FilterProfile = {
  defaultAction: 'SCMP_ACT_ERRNO',
  defaultErrnoRet: 1,
  architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
  syscalls: [
    {
      names: ['read', 'write', 'openat', 'openat2', 'close', 'execve', 'exit_group', 'mmap', 'mmap2', 'brk', 'futex'],
      action: 'SCMP_ACT_ALLOW',
    },
    { names: ['chown32', 'stat64', '_llseek', 'rt_sigreturn', 'faccessat2'], action: 'SCMP_ACT_ALLOW' },
    { names: ['ptrace', 'no_such_call'], action: 'SCMP_ACT_KILL_PROCESS' },
    { names: ['mount', 'umount2'], action: 'SCMP_ACT_ERRNO', errnoRet: 95 },
    { names: ['kexec_load'], action: 'SCMP_ACT_TRAP' },
    { names: ['bpf'], action: 'SCMP_ACT_TRACE', errnoRet: 7 },
    { names: ['reboot'], action: 'SCMP_ACT_LOG' },
    { names: ['socket'], action: 'SCMP_ACT_ALLOW', args: [argument(0, 'SCMP_CMP_NE', 40n)] },
    { names: ['personality'], action: 'SCMP_ACT_ALLOW', args: [argument(0, 'SCMP_CMP_EQ', 0n)] },
    { names: ['personality'], action: 'SCMP_ACT_ALLOW', args: [argument(0, 'SCMP_CMP_EQ', 0xffffffffn)] },
    { names: ['clone'], action: 'SCMP_ACT_ALLOW', args: [argument(0, 'SCMP_CMP_MASKED_EQ', 0x7e020000n, 0n)] },
    { names: ['lseek'], action: 'SCMP_ACT_ALLOW', args: [argument(1, 'SCMP_CMP_GT', 0x1_0000_0005n)] },
    { names: ['ftruncate'], action: 'SCMP_ACT_ALLOW', args: [argument(1, 'SCMP_CMP_GE', 0x1_0000_0005n)] },
    { names: ['readahead'], action: 'SCMP_ACT_ALLOW', args: [argument(1, 'SCMP_CMP_LT', 0x1_0000_0005n)] },
    { names: ['fallocate'], action: 'SCMP_ACT_ALLOW', args: [argument(2, 'SCMP_CMP_LE', 0x1_0000_0005n)] },
    {
      names: ['prctl'],
      action: 'SCMP_ACT_ALLOW',
      args: [argument(0, 'SCMP_CMP_EQ', 15n), argument(1, 'SCMP_CMP_NE', 0x5_0000_0000n)],
    },
  ],
};

function argument(index: number, op: FilterOperator, value: bigint, valueTwo?: bigint): FilterArgument {
  return { index, op, value, ...(valueTwo === undefined ? {} : { valueTwo }) };
}

test('an architecture that the profile does not name is killed, whatever it calls', () => {
  const filter = assembleFilter({ ...MIXED, architectures: ['SCMP_ARCH_X86_64'] }, x86_64);
  const call = { number: numberOf(x86_64, 'read'), args: [] };
  assert.equal(interpretFilter(filter, { ...call, audit: i386.audit }), KILL);
  assert.equal(interpretFilter(filter, { ...call, audit: aarch64.audit }), KILL);
  assert.equal(interpretFilter(filter, { number: numberOf(x32, 'read'), audit: x86_64.audit }), KILL);
  assert.equal(interpretFilter(filter, { ...call, audit: x86_64.audit }), 0x7fff0000);
});

test('the machine itself is part of every filter', () => {
  const filter = assembleFilter({ ...MIXED, architectures: [] }, aarch64);
  assert.equal(interpretFilter(filter, { number: numberOf(aarch64, 'read'), audit: aarch64.audit }), 0x7fff0000);
  assert.equal(interpretFilter(filter, { number: numberOf(x86_64, 'read'), audit: x86_64.audit }), KILL);
});

test('a call that is younger than all of the profile gives ENOSYS, an older one that is not named gives EPERM', () => {
  const filter = assembleFilter(MIXED, x86_64);
  const audit = x86_64.audit;
  const youngest = numberOf(x86_64, 'faccessat2');
  assert.equal(interpretFilter(filter, { number: youngest, audit }), 0x7fff0000);
  assert.equal(interpretFilter(filter, { number: youngest + 1, audit }), ENOSYS);
  assert.equal(interpretFilter(filter, { number: numberOf(x86_64, 'swapon'), audit }), 0x00050001);
  assert.equal(interpretFilter(filter, { number: numberOf(x32, 'kexec_load') + 1, audit }), ENOSYS);
});

test('a profile that lets the unknown pass, or answers ENOSYS itself, has no youngest call', () => {
  const audit = x86_64.audit;
  const permissive = assembleFilter({ ...MIXED, defaultAction: 'SCMP_ACT_ALLOW' }, x86_64);
  assert.equal(interpretFilter(permissive, { number: 999, audit }), 0x7fff0000);
  assert.equal(interpretFilter(permissive, { number: numberOf(x86_64, 'mount'), audit }), 0x0005005f);
  const answers = assembleFilter({ ...MIXED, defaultErrnoRet: 38 }, x86_64);
  assert.equal(interpretFilter(answers, { number: 999, audit }), ENOSYS);
});

test('conditions on one argument are alternatives', () => {
  const filter = assembleFilter(
    {
      defaultAction: 'SCMP_ACT_ERRNO',
      architectures: [],
      syscalls: [
        {
          names: ['personality'],
          action: 'SCMP_ACT_ALLOW',
          args: [argument(0, 'SCMP_CMP_EQ', 1n), argument(0, 'SCMP_CMP_EQ', 2n)],
        },
      ],
    },
    x86_64,
  );
  const result = (value: bigint) =>
    interpretFilter(filter, { number: numberOf(x86_64, 'personality'), audit: x86_64.audit, args: [value] });
  assert.deepEqual([0n, 1n, 2n, 3n].map(result), [0x00050001, 0x7fff0000, 0x7fff0000, 0x00050001]);
});

test('an architecture that nobody knows is an error', () => {
  assert.throws(() => assembleFilter({ ...MIXED, architectures: ['x86'] }), /unrecognized architecture x86/);
});

test('an arm64 filter covers arm, with its calls out of line', () => {
  const filter = assembleFilter(
    {
      defaultAction: 'SCMP_ACT_ERRNO',
      architectures: ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'],
      syscalls: [{ names: ['read', 'set_tls', 'getuid32'], action: 'SCMP_ACT_ALLOW' }],
    },
    aarch64,
  );
  assert.equal(interpretFilter(filter, { number: numberOf(arm, 'set_tls'), audit: arm.audit }), 0x7fff0000);
  assert.equal(interpretFilter(filter, { number: numberOf(arm, 'getuid32'), audit: arm.audit }), 0x7fff0000);
  assert.equal(interpretFilter(filter, { number: numberOf(aarch64, 'read') + 1, audit: aarch64.audit }), ENOSYS);
});

const cannotCompare =
  process.arch !== 'x64'
    ? 'this machine lacks an x86-64 processor, which the oracle is built for'
    : (!existsSync('/usr/include/seccomp.h') && 'this machine lacks libseccomp-dev') ||
      (spawnSync('gcc', ['--version']).error !== undefined && 'this machine lacks gcc');

describe('against libseccomp', { skip: cannotCompare }, () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'gantry-seccomp-'));
    const source = join(import.meta.dirname, 'generate/export-filter.c');
    execFileSync('gcc', ['-o', join(directory, 'export'), source, '-lseccomp']);
  });
  after(() => rmSync(directory, { recursive: true }));

  const profiles: [string, FilterProfile][] = [
    ['every operator and action', MIXED],
    ['x86-64 alone', { ...MIXED, architectures: ['SCMP_ARCH_X86_64'] }],
    ['without i386', { ...MIXED, architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X32'] }],
    ['everything allowed but', { ...MIXED, defaultAction: 'SCMP_ACT_LOG' }],
    ['many calls', manyCalls()],
  ];
  for (const [title, profile] of profiles) {
    test(`${title}: each call and each boundary of its arguments has the same result`, () => {
      const { known, bpf } = libseccomp(directory, profile);
      assertSame(known, assembleFilter(known, x86_64), bpf);
    });
  }
});

/**
 * Every second call of the table, so that the search tree is as deep as it gets; without the youngest, on whose x32
 * numbers the versions of libseccomp differ.
 */
function manyCalls(): FilterProfile {
  const names = [...x86_64.numbers()].flatMap(([name, number]) => (number % 2 === 0 && number < 449 ? [name] : []));
  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    architectures: MIXED.architectures,
    syscalls: [{ names, action: 'SCMP_ACT_ALLOW' }],
  };
}

const SCMP_ARCH: Readonly<Record<string, number>> = {
  SCMP_ARCH_X86_64: 0xc000003e,
  SCMP_ARCH_X86: 0x40000003,
  SCMP_ARCH_X32: 0x4000003e,
};
const OPERATORS: FilterOperator[] = [
  'SCMP_CMP_NE',
  'SCMP_CMP_LT',
  'SCMP_CMP_LE',
  'SCMP_CMP_EQ',
  'SCMP_CMP_GE',
  'SCMP_CMP_GT',
  'SCMP_CMP_MASKED_EQ',
];

/** Asks libseccomp for the same filter; calls that are too young for it are left out of the profile. */
function libseccomp(directory: string, profile: FilterProfile): { known: FilterProfile; bpf: Uint8Array } {
  const fallback = returnValue(profile.defaultAction, profile.defaultErrnoRet);
  const lines = [`default ${fallback}`, ...profile.architectures.map(name => `arch ${SCMP_ARCH[name]}`)];
  for (const { names, action, errnoRet, args = [] } of profile.syscalls) {
    const result = returnValue(action, errnoRet);
    if (result === fallback) continue;
    const conditions = args.map(
      ({ index, op, value, valueTwo = 0n }) => `${index} ${OPERATORS.indexOf(op) + 1} ${value} ${valueTwo}`,
    );
    for (const name of names) lines.push(`rule ${result} ${name} ${args.length} ${conditions.join(' ')}`);
  }
  const { status, stdout, stderr } = spawnSync(join(directory, 'export'), { input: lines.join('\n') });
  assert.equal(status, 0, stderr.toString());
  const unknown = new Set(stderr.toString().trim().split('\n'));
  return {
    bpf: stdout,
    known: {
      ...profile,
      syscalls: profile.syscalls.map(rule => ({ ...rule, names: rule.names.filter(name => !unknown.has(name)) })),
    },
  };
}

function assertSame(profile: FilterProfile, ours: Uint8Array, theirs: Uint8Array): void {
  const boundaries = new Set([0n, 1n, 0xffffffffn, 0x1_0000_0000n, 0xffffffffffffffffn]);
  const conditional = new Set<string>();
  for (const { names, args = [] } of profile.syscalls) {
    for (const { value, valueTwo = 0n } of args) {
      for (const name of names) conditional.add(name);
      for (const edge of [value, valueTwo]) {
        for (const near of [edge - 1n, edge, edge + 1n, edge + 0x1_0000_0000n, edge - 0x1_0000_0000n, ~edge]) {
          boundaries.add(BigInt.asUintN(64, near));
        }
      }
    }
  }
  const compare = (number: number, audit: number, youngest: number | undefined, args: bigint[]) => {
    const call = { number, audit, args };
    const expected = youngest !== undefined && number >>> 0 > youngest ? ENOSYS : interpretFilter(theirs, call);
    const got = interpretFilter(ours, call);
    assert.equal(got.toString(16), expected.toString(16), `call ${number} of ${audit.toString(16)} with ${args}`);
  };
  for (const architecture of [x86_64, i386, x32, aarch64]) {
    const base = architecture === x32 ? 0x40000000 : 0;
    const numbers = architecture.numbers();
    const isNamed = profile.architectures.includes(architecture.name) || architecture === nativeArchitecture();
    const names = profile.syscalls.flatMap(rule => rule.names).flatMap(name => numbers.get(name) ?? []);
    const youngest = isNamed && profile.defaultAction === 'SCMP_ACT_ERRNO' ? Math.max(...names) : undefined;
    for (let number = base; number < base + 700; number++) compare(number, architecture.audit, youngest, []);
    for (const name of conditional) {
      const number = numbers.get(name);
      if (number === undefined) continue;
      for (const first of boundaries) {
        // A 32-bit caller cannot have more in a register.
        if (architecture.narrow && first > 0xffffffffn) continue;
        for (const second of boundaries) {
          if (architecture.narrow && second > 0xffffffffn) continue;
          compare(number, architecture.audit, youngest, [first, second, first, 0n, 0n, 0n]);
        }
      }
    }
  }
  const selectors = [0n, 1n, 2n, 21n, 40n];
  const socketcall = numberOf(i386, 'socketcall');
  const i386Youngest = Math.max(
    ...profile.syscalls.flatMap(rule => rule.names).flatMap(name => i386.numbers().get(name) ?? []),
  );
  const youngest = profile.defaultAction === 'SCMP_ACT_ERRNO' && profile.architectures.includes(i386.name);
  for (const selector of selectors) {
    compare(socketcall, i386.audit, youngest ? i386Youngest : undefined, [selector]);
  }
}
