import { invalidParameter, unavailable } from '@gantry/errors';
import { addressText, contains, overlaps, parseSubnet, type Subnet, subnetSize, subnetText } from './subnet.ts';

/** Subnets of length `size` are taken from `base`. */
export type PoolRange = { readonly base: string; readonly size: number };

/** What Docker takes subnets from when nothing is configured. @see dockerd(8), default-address-pools */
export const DEFAULT_POOLS: readonly PoolRange[] = [
  { base: '172.17.0.0/16', size: 16 },
  { base: '172.18.0.0/16', size: 16 },
  { base: '172.19.0.0/16', size: 16 },
  { base: '172.20.0.0/14', size: 16 },
  { base: '172.24.0.0/14', size: 16 },
  { base: '172.28.0.0/14', size: 16 },
  { base: '192.168.0.0/16', size: 20 },
];

/**
 * The first subnet of the pools that overlaps none of `used`.
 * @throws unavailable when there is none, in Docker's words; invalidParameter for a pool that cannot be
 */
export function chooseSubnet(pools: readonly PoolRange[], used: readonly Subnet[]): Subnet {
  for (const pool of pools) {
    const range = readPool(pool);
    const step = 2 ** (32 - pool.size);
    for (let base = range.base; base < range.base + subnetSize(range); base += step) {
      const candidate = { base, prefixLength: pool.size };
      if (!used.some(subnet => overlaps(subnet, candidate))) return candidate;
    }
  }
  throw unavailable('all predefined address pools have been fully subnetted', {
    hint: 'give the bridge an address of its own with --bip, or more pools with default-address-pools',
  });
}

function readPool(pool: PoolRange): Subnet {
  try {
    const range = parseSubnet(pool.base);
    if (pool.size >= range.prefixLength && pool.size <= 30) return range;
  } catch (cause) {
    throw invalidParameter(`invalid address pool ${pool.base}`, { cause });
  }
  throw invalidParameter(`invalid address pool ${pool.base}: it cannot be divided into subnets of size ${pool.size}`);
}

/**
 * The addresses of one subnet, given out in rising order: one that was given back is used again only after all the
 * others, so that what peers remember of it (neighbours, connections) is gone by then. One bit an address.
 */
export class AddressPool {
  readonly subnet: Subnet;
  readonly #used: Uint32Array;
  readonly #size: number;
  #next: number;
  /** First and last place that `allocate` gives out. */
  readonly #first: number;
  readonly #last: number;
  /** Free places between them. */
  #free: number;

  /** @param range the part of the subnet that `allocate` gives out; the whole of it when left out */
  constructor(subnet: Subnet, reserved: readonly number[], range: Subnet = subnet) {
    this.subnet = subnet;
    this.#size = subnetSize(subnet);
    this.#used = new Uint32Array(Math.ceil(this.#size / 32));
    this.#first = range.base - subnet.base;
    this.#last = this.#first + subnetSize(range) - 1;
    this.#free = subnetSize(range);
    this.#next = this.#first;
    this.#mark(0);
    this.#mark(this.#size - 1);
    for (const address of reserved) this.take(address);
  }

  /** @throws unavailable when all are in use */
  allocate(): number {
    if (this.#free === 0) {
      throw unavailable(`no available IPv4 addresses on this network's address pools: ${subnetText(this.subnet)}`, {
        hint: 'remove containers, or use a network with a bigger subnet',
      });
    }
    for (let at = this.#next; ; at++) {
      if (at > this.#last) at = this.#first;
      const word = this.#used[at >>> 5] ?? 0;
      if (word === 0xffffffff) {
        at |= 31;
        continue;
      }
      if ((word & (1 << (at & 31))) !== 0) continue;
      this.#mark(at);
      this.#next = at + 1;
      return this.subnet.base + at;
    }
  }

  /** Takes a certain address; false when it is in use. @throws invalidParameter when it is not of this subnet */
  take(address: number): boolean {
    if (!contains(this.subnet, address)) {
      throw invalidParameter(`no configured subnet or ip-range contain the IP address ${addressText(address)}`);
    }
    return this.#mark(address - this.subnet.base);
  }

  release(address: number): void {
    const at = address - this.subnet.base;
    const bit = 1 << (at & 31);
    const word = this.#used[at >>> 5];
    if (word === undefined || (word & bit) === 0) return;
    this.#used[at >>> 5] = word & ~bit;
    if (this.#inRange(at)) this.#free++;
  }

  #mark(at: number): boolean {
    const bit = 1 << (at & 31);
    const word = this.#used[at >>> 5] ?? 0;
    if ((word & bit) !== 0) return false;
    this.#used[at >>> 5] = word | bit;
    if (this.#inRange(at)) this.#free--;
    return true;
  }

  #inRange(at: number): boolean {
    return at >= this.#first && at <= this.#last;
  }
}
