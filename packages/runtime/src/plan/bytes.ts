const ABSENT = 0xffffffff;

/** Absent numbers and flags in a plan. */
export const NONE = 0xffffffffffffffffn;

/** Writes the primitive values of native/wire.c: little-endian numbers, counted and terminated strings. */
export class ByteWriter {
  #buffer = Buffer.allocUnsafeSlow(16384);
  #size = 0;

  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#size);
  }

  #room(size: number): number {
    const at = this.#size;
    if (at + size > this.#buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, at + size));
      this.#buffer.copy(grown, 0, 0, at);
      this.#buffer = grown;
    }
    this.#size = at + size;
    return at;
  }

  u32(value: number): this {
    const at = this.#room(4);
    this.#buffer.writeUInt32LE(value >>> 0, at);
    return this;
  }

  u64(value: number | bigint): this {
    const at = this.#room(8);
    this.#buffer.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)), at);
    return this;
  }

  data(value: Uint8Array): this {
    this.u32(value.byteLength);
    const at = this.#room(value.byteLength);
    this.#buffer.set(value, at);
    return this;
  }

  /** @throws TypeError when `value` holds a NUL, which no system call can take */
  string(value: string | undefined): this {
    if (value === undefined) {
      this.u32(ABSENT);
      return this;
    }
    if (value.includes('\0')) throw new TypeError(`a NUL byte in ${JSON.stringify(value)}`);
    const size = Buffer.byteLength(value);
    this.u32(size);
    const at = this.#room(size + 1);
    this.#buffer.write(value, at);
    this.#buffer[at + size] = 0;
    return this;
  }

  list(values: readonly string[]): this {
    this.u32(values.length);
    for (const value of values) this.string(value);
    return this;
  }

  numbers(values: readonly number[]): this {
    this.u32(values.length);
    for (const value of values) this.u32(value);
    return this;
  }

  /** Writes `count` and the size of what `write` writes, then that. */
  section(count: number, write: () => void): void {
    this.u32(count);
    const at = this.#room(4);
    write();
    this.#buffer.writeUInt32LE(this.#size - at - 4, at);
  }
}
