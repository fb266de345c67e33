import { invalidParameter, unavailable } from '@gantry/errors';
import { addressAt, addressBits, parsePrefix, prefixContains, prefixSize } from './prefix.ts';

/** What an address space is made of. */
export type AddressSpaceOptions = {
  /** `10.1.0.0/16`, `fd00:1::/64`. */
  readonly subnet: string;
  /** The part of it that `allocate` gives out; all of it when left out. */
  readonly range?: string | undefined;
  /** Never given out: the gateway, other machines. */
  readonly reserved: readonly string[];
  /** The network, for messages. */
  readonly network: { readonly name: string; readonly id: string };
};

/**
 * The addresses of one subnet of either family, given out in rising order: one that was given back is used again only
 * after all the others, so that what peers remember of it (neighbours, connections) is gone by then. Costs memory for
 * the addresses in use only, since an IPv6 subnet has more than any table could hold.
 */
export class AddressSpace {
  readonly prefixLength: number;
  readonly #options: AddressSpaceOptions;
  readonly #prefix: ReturnType<typeof parsePrefix>;
  readonly #used = new Set<bigint>();
  /** First and last place that `allocate` gives out, and where it looks next. */
  readonly #first: bigint;
  readonly #last: bigint;
  #next: bigint;
  /** Places in use between them. */
  #usedInRange = 0n;

  constructor(options: AddressSpaceOptions) {
    this.#options = options;
    this.#prefix = parsePrefix(options.subnet);
    this.prefixLength = this.#prefix.length;
    const range = options.range === undefined ? this.#prefix : parsePrefix(options.range);
    const size = prefixSize(this.#prefix);
    this.#first = range.base - this.#prefix.base;
    this.#last = this.#first + prefixSize(range) - 1n;
    this.#next = this.#first;
    // The subnet's own address, and IPv4's broadcast address; point-to-point subnets (RFC 3021, RFC 6164) have neither.
    if (size > 2n) {
      this.#mark(0n);
      if (this.#prefix.family === 4) this.#mark(size - 1n);
    }
    for (const address of options.reserved) if (address !== '') this.take(address);
  }

  /** Whether there is nothing left to allocate. */
  get isFull(): boolean {
    return this.#usedInRange > this.#last - this.#first;
  }

  /** @throws unavailable when all are in use */
  allocate(): string {
    if (this.isFull) {
      const { network } = this.#options;
      throw unavailable(
        `no available IPv${this.#prefix.family} addresses on this network's address pools: ${network.name} (${network.id})`,
        { hint: 'remove containers, or use a network with a bigger subnet' },
      );
    }
    for (let at = this.#next; ; at++) {
      if (at > this.#last) at = this.#first;
      if (!this.#mark(at)) continue;
      this.#next = at + 1n;
      return addressAt(this.#prefix, at);
    }
  }

  contains(address: string): boolean {
    return prefixContains(this.#prefix, address);
  }

  /** Takes a certain address; false when it is in use. @throws invalidParameter when it is not of this subnet */
  take(address: string): boolean {
    if (!this.contains(address)) {
      throw invalidParameter(`no configured subnet or ip-range contain the IP address ${address}`);
    }
    return this.#mark(addressBits(address) - this.#prefix.base);
  }

  release(address: string): void {
    if (!this.contains(address)) return;
    const at = addressBits(address) - this.#prefix.base;
    if (this.#used.delete(at) && this.#inRange(at)) this.#usedInRange--;
  }

  #mark(at: bigint): boolean {
    if (this.#used.has(at)) return false;
    this.#used.add(at);
    if (this.#inRange(at)) this.#usedInRange++;
    return true;
  }

  #inRange(at: bigint): boolean {
    return at >= this.#first && at <= this.#last;
  }
}
