import { createHash } from 'node:crypto';
import { invalidParameter, unavailable } from '@gantry/errors';
import { type Prefix, parsePrefix, prefixesOverlap, prefixSize } from './prefix.ts';

/** Subnets of length `size` are taken from `base`. */
export type PoolRange = { readonly base: string; readonly size: number };

/** What Docker takes IPv4 subnets from when nothing is configured. @see dockerd(8), default-address-pools */
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
 * The pool of private IPv6 subnets of one host: a /48 of fd00::/8 that is made of what the host is known by, so that two
 * hosts hardly ever have the same. @see RFC 4193, section 3.2
 */
export function uniqueLocalPool(hostId: string): PoolRange {
  const hash = createHash('sha256').update(hostId).digest('hex');
  return { base: `fd${hash.slice(0, 2)}:${hash.slice(2, 6)}:${hash.slice(6, 10)}::/48`, size: 64 };
}

/**
 * The first subnet of this family in the pools that overlaps none of `used`.
 * @throws unavailable when there is none, in Docker's words; invalidParameter for a pool that cannot be
 */
export function chooseSubnet(family: 4 | 6, pools: readonly PoolRange[], used: readonly Prefix[]): Prefix {
  for (const pool of pools) {
    const range = readPool(pool);
    if (range.family !== family) continue;
    const end = range.base + prefixSize(range);
    const step = prefixSize({ ...range, length: pool.size });
    for (let base = range.base; base < end; ) {
      const candidate: Prefix = { family, base, length: pool.size };
      const taken = used.find(subnet => prefixesOverlap(subnet, candidate));
      if (!taken) return candidate;
      // Behind what is in the way, on a boundary: an IPv6 pool has too many subnets to try each.
      const behind = taken.base + prefixSize(taken);
      base += ((behind - base + step - 1n) / step) * step;
    }
  }
  throw unavailable('all predefined address pools have been fully subnetted', {
    hint: 'choose one with --subnet, give the default bridge an address with --bip, or add pools with default-address-pools',
  });
}

function readPool(pool: PoolRange): Prefix {
  try {
    const range = parsePrefix(pool.base);
    if (pool.size >= range.length && pool.size <= (range.family === 4 ? 30 : 126)) return range;
  } catch (cause) {
    throw invalidParameter(`invalid address pool ${pool.base}`, { cause });
  }
  throw invalidParameter(`invalid address pool ${pool.base}: it cannot be divided into subnets of size ${pool.size}`);
}
