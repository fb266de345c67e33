/** Classic BPF as seccomp takes it. @see Documentation/networking/filter.rst, seccomp(2) */
export const BPF = {
  load: 0x20, // LD | W | ABS
  and: 0x54, // ALU | AND | K
  jump: 0x05, // JMP | JA
  equal: 0x15, // JMP | JEQ | K
  greater: 0x25, // JMP | JGT | K
  greaterOrEqual: 0x35, // JMP | JGE | K
  bitsSet: 0x45, // JMP | JSET | K
  return: 0x06, // RET | K
} as const;

/** The most instructions that the kernel takes. */
export const BPF_MAX_INSTRUCTIONS = 4096;

/** Where an instruction stands, counted from the end of the program. */
export type Label = number;

const FURTHEST = 255;

/**
 * Writes a program from its end to its start, so that every jump, which can only lead forward, knows its target.
 * The order of calls is therefore the reverse of the order of execution.
 */
export class BpfAssembler {
  /** Last instruction first. */
  readonly #code: { code: number; whenTrue: number; whenFalse: number; value: number }[] = [];
  readonly #returns = new Map<number, Label>();

  /** The instruction that was written last, which is the next one to be executed. */
  get here(): Label {
    return this.#code.length;
  }

  /** An instruction that goes on with what was written before it. */
  plain(code: number, value: number): Label {
    return this.#push(code, 0, 0, value);
  }

  /** A return of `value`; near ones are shared. */
  return(value: number): Label {
    const known = this.#returns.get(value);
    // Half the reach of a jump is left for what is written until this is used.
    if (known !== undefined && this.here - known <= FURTHEST / 2) return known;
    const label = this.#push(BPF.return, 0, 0, value >>> 0);
    this.#returns.set(value, label);
    return label;
  }

  /** Tests the accumulator and goes to one of two places. */
  test(code: number, value: number, whenTrue: Label, whenFalse: Label): Label {
    if (whenTrue === whenFalse) return this.goTo(whenTrue);
    const [nearTrue, nearFalse] = this.#near(whenTrue, whenFalse);
    return this.#push(code, this.here - nearTrue, this.here - nearFalse, value >>> 0);
  }

  /** Goes on at a label, with no instruction when that is next. */
  goTo(label: Label): Label {
    return label === this.here ? label : this.#push(BPF.jump, 0, 0, this.here - label);
  }

  /** A conditional jump reaches 255 instructions: what is further away gets a plain jump in between. */
  #near(whenTrue: Label, whenFalse: Label): [Label, Label] {
    let [near, far] = [whenTrue, whenFalse];
    // A jump written for one target moves the other one away by one.
    if (this.here - near > FURTHEST - 1) near = this.#push(BPF.jump, 0, 0, this.here - near);
    if (this.here - far > FURTHEST - 1) far = this.#push(BPF.jump, 0, 0, this.here - far);
    return [near, far];
  }

  #push(code: number, whenTrue: number, whenFalse: number, value: number): Label {
    this.#code.push({ code, whenTrue, whenFalse, value });
    return this.#code.length;
  }

  /** The program as an array of struct sock_filter. @throws RangeError when the kernel would not take it */
  finish(): Uint8Array {
    const count = this.#code.length;
    if (count > BPF_MAX_INSTRUCTIONS) throw new RangeError(`a seccomp filter of ${count} instructions is too long`);
    const bytes = Buffer.alloc(count * 8);
    for (let index = 0; index < count; index++) {
      const instruction = this.#code[count - 1 - index];
      if (!instruction) continue;
      bytes.writeUInt16LE(instruction.code, index * 8);
      bytes.writeUInt8(instruction.whenTrue, index * 8 + 2);
      bytes.writeUInt8(instruction.whenFalse, index * 8 + 3);
      bytes.writeUInt32LE(instruction.value, index * 8 + 4);
    }
    return bytes;
  }
}
