import { type Architecture, architectureNamed, isSystemCall, nativeArchitecture, X32_BIT } from './architecture.ts';
import { argumentTest } from './argument-test.ts';
import { BPF, BpfAssembler, type Label } from './bpf-assembler.ts';
import { multiplexed } from './multiplexed.ts';
import {
  type FilterArgument,
  type FilterProfile,
  type FilterRule,
  RET_ERRNO,
  RET_KILL_THREAD,
  returnValue,
} from './profile.ts';

const ENOSYS = 38;
const RET_ENOSYS = RET_ERRNO | ENOSYS;
/** Offsets in struct seccomp_data. */
const NUMBER = 0;
const AUDIT = 4;

/** What happens to one system call: rules with conditions in order, then what is left. */
type Verdict = { conditions: { args: readonly FilterArgument[]; result: number }[]; otherwise: number | undefined };

/** Neighbouring numbers with one verdict; `first` is the lowest. */
type Span = { readonly first: number; readonly verdict: Verdict | number };

/**
 * Assembles the filter of a profile: the architecture is looked at first (one that the profile does not name is killed),
 * then the number, by binary search, then arguments. Calls that are younger than all that the profile names give ENOSYS,
 * so that programs fall back to older ones; unless the profile lets the unknown pass.
 * @returns an array of struct sock_filter
 * @throws Error for an unknown architecture, RangeError when the kernel would refuse the length
 * @see seccomp_rule_add(3) for the meaning of rules, OCI runtime-spec, config-linux.md, "Seccomp"
 */
export function assembleFilter(profile: FilterProfile, native: Architecture = nativeArchitecture()): Uint8Array {
  const assembler = new BpfAssembler();
  const architectures = architecturesOf(profile, native);
  const killed = assembler.return(RET_KILL_THREAD);
  const starts = new Map<number, Label>();
  for (const audit of new Set(architectures.map(architecture => architecture.audit))) {
    const sharing = architectures.filter(architecture => architecture.audit === audit);
    starts.set(audit, writeArchitecture(assembler, profile, sharing));
  }
  // The native one is asked for first, and written last.
  const order = [...starts].sort(([a], [b]) => Number(a === native.audit) - Number(b === native.audit));
  let next = killed;
  for (const [audit, start] of order) next = assembler.test(BPF.equal, audit, start, next);
  assembler.plain(BPF.load, AUDIT);
  return assembler.finish();
}

function architecturesOf(profile: FilterProfile, native: Architecture): Architecture[] {
  const found = new Set<Architecture>();
  for (const name of profile.architectures) {
    const architecture = name === 'SCMP_ARCH_NATIVE' ? native : architectureNamed(name);
    // One that this kernel cannot call by is no loss.
    if (architecture) found.add(architecture);
    else if (!/^SCMP_ARCH_[A-Z0-9]+$/.test(name)) throw new Error(`unrecognized architecture ${name}`);
  }
  found.add(native);
  return [...found];
}

/** x86-64 and x32 share one value of AUDIT_ARCH: a bit of the number tells them apart. */
function writeArchitecture(assembler: BpfAssembler, profile: FilterProfile, sharing: readonly Architecture[]): Label {
  const x32 = sharing.find(({ name }) => name === 'SCMP_ARCH_X32');
  const plain = sharing.find(architecture => architecture !== x32);
  let start: Label;
  if (sharing.some(({ name }) => name === 'SCMP_ARCH_X86_64' || name === 'SCMP_ARCH_X32')) {
    const high = x32 ? writeNumbers(assembler, profile, x32) : assembler.return(RET_KILL_THREAD);
    const low = plain ? writeNumbers(assembler, profile, plain) : assembler.return(RET_KILL_THREAD);
    start = assembler.test(BPF.greaterOrEqual, X32_BIT, high, low);
  } else {
    start = plain ? writeNumbers(assembler, profile, plain) : assembler.return(RET_KILL_THREAD);
  }
  if (start !== assembler.here) assembler.goTo(start);
  return assembler.plain(BPF.load, NUMBER);
}

function writeNumbers(assembler: BpfAssembler, profile: FilterProfile, architecture: Architecture): Label {
  const spans = spansOf(profile, architecture);
  const narrow = architecture.narrow;
  const fallback = returnValue(profile.defaultAction, profile.defaultErrnoRet);
  const write = (from: number, to: number): Label => {
    const span = spans[from];
    if (span === undefined) return assembler.return(fallback);
    if (to - from === 1) return writeVerdict(assembler, span.verdict, fallback, narrow);
    const middle = (from + to) >> 1;
    const right = write(middle, to);
    const left = write(from, middle);
    return assembler.test(BPF.greaterOrEqual, spans[middle]?.first ?? 0, right, left);
  };
  return write(0, spans.length);
}

function writeVerdict(assembler: BpfAssembler, verdict: Verdict | number, fallback: number, narrow: boolean): Label {
  if (typeof verdict === 'number') return assembler.return(verdict);
  let next = assembler.return(verdict.otherwise ?? fallback);
  for (const { args, result } of verdict.conditions.toReversed()) {
    let passed = assembler.return(result);
    for (const argument of args.toReversed()) passed = argumentTest(assembler, argument, narrow, passed, next);
    next = passed;
  }
  return next;
}

/** The numbers of an architecture from 0 up, neighbours with the same verdict as one span. */
function spansOf(profile: FilterProfile, architecture: Architecture): Span[] {
  const fallback = returnValue(profile.defaultAction, profile.defaultErrnoRet);
  const verdicts = verdictsOf(profile, architecture);
  const base = architecture.name === 'SCMP_ARCH_X32' ? X32_BIT : 0;
  const spans: Span[] = [];
  const add = (first: number, verdict: Verdict | number) => {
    const last = spans.at(-1);
    if (last && typeof verdict === 'number' && last.verdict === verdict) return;
    // A gap of no length is overwritten by what starts at the same number.
    if (last?.first === first) spans.pop();
    spans.push({ first, verdict });
  };
  add(base, fallback);
  for (const [number, verdict] of [...verdicts].sort(([a], [b]) => a - b)) {
    const { conditions, otherwise = fallback } = verdict;
    add(number, conditions.length === 0 ? otherwise : verdict);
    add(number + 1, fallback);
  }
  const last = youngest(profile, architecture);
  if (last !== undefined) add(last + 1, RET_ENOSYS);
  return spans;
}

function verdictsOf(profile: FilterProfile, { numbers, name: architecture }: Architecture): Map<number, Verdict> {
  const fallback = returnValue(profile.defaultAction, profile.defaultErrnoRet);
  const verdicts = new Map<number, Verdict>();
  const add = (number: number, args: readonly FilterArgument[], result: number) => {
    let verdict = verdicts.get(number);
    if (!verdict) {
      verdict = { conditions: [], otherwise: undefined };
      verdicts.set(number, verdict);
    }
    if (args.length > 0) verdict.conditions.push({ args, result });
    else verdict.otherwise ??= result;
  };
  for (const rule of profile.syscalls) {
    const result = returnValue(rule.action, rule.errnoRet);
    // libseccomp refuses rules that change nothing; runc leaves them out.
    if (result === fallback) continue;
    for (const name of rule.names) {
      const number = numbers().get(name);
      for (const args of alternatives(rule)) {
        if (number !== undefined) add(number, args, result);
        const inside = architecture === 'SCMP_ARCH_X86' ? multiplexed(name) : undefined;
        const outer = inside && numbers().get(inside.name);
        if (inside && outer !== undefined) {
          const selector: FilterArgument = { index: 0, op: 'SCMP_CMP_EQ', value: BigInt(inside.selector) };
          add(outer, [selector, ...args.filter(({ index }) => index !== 0)], result);
        }
      }
    }
  }
  // A rule without conditions covers those with conditions.
  for (const verdict of verdicts.values()) if (verdict.otherwise !== undefined) verdict.conditions = [];
  return verdicts;
}

/** Conditions on one argument are alternatives, on several they must all hold; as runc reads them. */
function alternatives({ args = [] }: FilterRule): (readonly FilterArgument[])[] {
  const repeated = new Set(args.map(({ index }) => index)).size < args.length;
  return repeated ? args.map(argument => [argument]) : [args];
}

/** The highest number that the profile names; undefined when unknown calls get no ENOSYS. */
function youngest(profile: FilterProfile, { numbers }: Architecture): number | undefined {
  if (['SCMP_ACT_ALLOW', 'SCMP_ACT_LOG', 'SCMP_ACT_TRACE'].includes(profile.defaultAction)) return undefined;
  if (profile.defaultErrnoRet === ENOSYS) return undefined;
  let highest: number | undefined;
  for (const { names } of profile.syscalls) {
    for (const name of names) {
      const number = numbers().get(name);
      if (number !== undefined && (highest === undefined || number > highest)) highest = number;
    }
  }
  return highest;
}

/** Names of a profile that no architecture knows: they are left out of the filter. */
export function unknownSystemCalls(profile: FilterProfile): string[] {
  return profile.syscalls.flatMap(({ names }) => names.filter(name => !isSystemCall(name)));
}
