import { BPF, type BpfAssembler, type Label } from './bpf-assembler.ts';
import type { FilterArgument } from './profile.ts';

/** Offset of the arguments in struct seccomp_data: six of 64 bits, the lower half first. */
const ARGUMENTS = 16;

/**
 * Writes the test of one argument. BPF has 32 bits, so that both halves are compared, the upper one first.
 * @param narrow only the lower half exists
 */
export function argumentTest(
  assembler: BpfAssembler,
  { index, op, value, valueTwo = 0n }: FilterArgument,
  narrow: boolean,
  passed: Label,
  failed: Label,
): Label {
  const low = (code: number, whenTrue: Label, whenFalse: Label, constant = half(value, 0)): Label => {
    assembler.test(code, constant, whenTrue, whenFalse);
    return assembler.plain(BPF.load, ARGUMENTS + 8 * index);
  };
  /** Above or below by the upper half alone, else what the lower half says. */
  const ordered = (code: number, whenTrue: Label, whenFalse: Label): Label => {
    const equalHigh = low(code, whenTrue, whenFalse);
    if (narrow) return equalHigh;
    assembler.test(BPF.equal, half(value, 1), equalHigh, whenFalse);
    assembler.test(BPF.greater, half(value, 1), whenTrue, assembler.here);
    return assembler.plain(BPF.load, ARGUMENTS + 8 * index + 4);
  };
  const equal = (whenTrue: Label, whenFalse: Label): Label => {
    const equalHigh = low(BPF.equal, whenTrue, whenFalse);
    if (narrow) return equalHigh;
    assembler.test(BPF.equal, half(value, 1), equalHigh, whenFalse);
    return assembler.plain(BPF.load, ARGUMENTS + 8 * index + 4);
  };
  switch (op) {
    case 'SCMP_CMP_EQ':
      return equal(passed, failed);
    case 'SCMP_CMP_NE':
      return equal(failed, passed);
    case 'SCMP_CMP_GT':
      return ordered(BPF.greater, passed, failed);
    case 'SCMP_CMP_LE':
      return ordered(BPF.greater, failed, passed);
    case 'SCMP_CMP_GE':
      return ordered(BPF.greaterOrEqual, passed, failed);
    case 'SCMP_CMP_LT':
      return ordered(BPF.greaterOrEqual, failed, passed);
    case 'SCMP_CMP_MASKED_EQ': {
      const masked = (part: 0 | 1, whenTrue: Label): Label => {
        assembler.test(BPF.equal, half(valueTwo, part), whenTrue, failed);
        assembler.plain(BPF.and, half(value, part));
        return assembler.plain(BPF.load, ARGUMENTS + 8 * index + 4 * part);
      };
      const lower = masked(0, passed);
      return narrow ? lower : masked(1, lower);
    }
  }
}

function half(value: bigint, part: 0 | 1): number {
  return Number((BigInt.asUintN(64, value) >> BigInt(32 * part)) & 0xffffffffn);
}
