import { reduceRules } from '../device-rules.ts';
import type { DeviceRule } from '../resources.ts';

/** What BPF_CGROUP_DEVICE programs are told: struct bpf_cgroup_dev_ctx. */
const CONTEXT = { accessAndType: 0, major: 4, minor: 8 };
const TYPE = { b: 1, c: 2 } as const;
const ACCESS: Readonly<Record<string, number>> = { m: 1, r: 2, w: 4 };

/** Opcodes of eBPF. @see Documentation/bpf/standardization/instruction-set.rst */
const LOAD_WORD = 0x61;
const AND_CONSTANT = 0x54;
const SHIFT_RIGHT_CONSTANT = 0x74;
const MOVE_CONSTANT = 0xb4;
const MOVE_REGISTER = 0xbc;
const JUMP_NOT_EQUAL = 0x55;
const EXIT = 0x95;

/**
 * Compiles device rules to an eBPF program (struct bpf_insn array) for BPF_CGROUP_DEVICE. The rules mean what they mean
 * in version 1: an `a` rule sets the default and forgets the rest, others are exceptions from it.
 */
export function deviceProgram(rules: readonly DeviceRule[]): Uint8Array {
  const { allowAll, exceptions } = reduceRules(rules);
  const code: number[][] = [
    // r2: type, r3: access, r4: major, r5: minor
    instruction(LOAD_WORD, 2, 1, CONTEXT.accessAndType),
    instruction(AND_CONSTANT, 2, 0, 0, 0xffff),
    instruction(LOAD_WORD, 3, 1, CONTEXT.accessAndType),
    instruction(SHIFT_RIGHT_CONSTANT, 3, 0, 0, 16),
    instruction(LOAD_WORD, 4, 1, CONTEXT.major),
    instruction(LOAD_WORD, 5, 1, CONTEXT.minor),
  ];
  for (const { type, major, minor, access: letters } of exceptions) {
    const access = [...letters].reduce((mask, letter) => mask | (ACCESS[letter] ?? 0), 0);
    const tests: ((skip: number) => number[])[] = [skip => instruction(JUMP_NOT_EQUAL, 2, 0, skip, TYPE[type])];
    if (major >= 0) tests.push(skip => instruction(JUMP_NOT_EQUAL, 4, 0, skip, major));
    if (minor >= 0) tests.push(skip => instruction(JUMP_NOT_EQUAL, 5, 0, skip, minor));
    if (allowAll) {
      // Denied when it asks for any of these.
      tests.push(() => instruction(MOVE_REGISTER, 1, 3, 0));
      tests.push(() => instruction(AND_CONSTANT, 1, 0, 0, access));
      tests.push(skip => instruction(JUMP_EQUAL, 1, 0, skip, 0));
    } else if (access !== 7) {
      // Allowed when it asks for nothing else.
      tests.push(() => instruction(MOVE_REGISTER, 1, 3, 0));
      tests.push(() => instruction(AND_CONSTANT, 1, 0, 0, 7 & ~access));
      tests.push(skip => instruction(JUMP_NOT_EQUAL, 1, 0, skip, 0));
    }
    const length = tests.length + 2;
    tests.forEach((test, index) => {
      code.push(test(length - index - 1));
    });
    code.push(instruction(MOVE_CONSTANT, 0, 0, 0, allowAll ? 0 : 1), instruction(EXIT, 0, 0, 0));
  }
  code.push(instruction(MOVE_CONSTANT, 0, 0, 0, allowAll ? 1 : 0), instruction(EXIT, 0, 0, 0));
  return Uint8Array.from(code.flat());
}

const JUMP_EQUAL = 0x15;

function instruction(opcode: number, target: number, source: number, offset: number, constant = 0): number[] {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt8(opcode, 0);
  bytes.writeUInt8(target | (source << 4), 1);
  bytes.writeInt16LE(offset, 2);
  bytes.writeInt32LE(constant, 4);
  return [...bytes];
}
