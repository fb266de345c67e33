import { BPF } from './bpf-assembler.ts';

/** What a filter sees of a system call: struct seccomp_data. */
export type SystemCall = {
  readonly number: number;
  /** AUDIT_ARCH_*. */
  readonly audit: number;
  readonly args?: readonly bigint[];
};

/**
 * Runs a seccomp filter over a system call as the kernel would, and gives what it returns.
 * @throws Error for a program that the kernel would refuse
 */
export function interpretFilter(program: Uint8Array, call: SystemCall): number {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, call.number >>> 0, true);
  data.setUint32(4, call.audit >>> 0, true);
  (call.args ?? []).forEach((value, index) => {
    data.setBigUint64(16 + 8 * index, BigInt.asUintN(64, value), true);
  });
  let accumulator = 0;
  for (let at = 0; at * 8 < program.byteLength; at++) {
    const value = view.getUint32(at * 8 + 4, true);
    const branch = (taken: boolean) => {
      at += view.getUint8(at * 8 + (taken ? 2 : 3));
    };
    switch (view.getUint16(at * 8, true)) {
      case BPF.load:
        accumulator = data.getUint32(value, true);
        break;
      case BPF.and:
        accumulator = (accumulator & value) >>> 0;
        break;
      case BPF.jump:
        at += value;
        break;
      case BPF.equal:
        branch(accumulator === value);
        break;
      case BPF.greater:
        branch(accumulator > value);
        break;
      case BPF.greaterOrEqual:
        branch(accumulator >= value);
        break;
      case BPF.bitsSet:
        branch((accumulator & value) !== 0);
        break;
      case BPF.return:
        return value;
      default:
        throw new Error(`instruction ${at} is unknown`);
    }
  }
  throw new Error('the program ends without a return');
}
