import { isIP } from 'node:net';
import { ipBytes, ipText } from '@gantry/linux';

/** A subnet of either family: its first address as a number, and how many leading bits its addresses share. */
export type Prefix = { readonly family: 4 | 6; readonly base: bigint; readonly length: number };

/** The subnet that an address with prefix length lies in: `fd00::7/64` to fd00::/64. @throws RangeError */
export function parsePrefix(cidr: string): Prefix {
  const slash = cidr.indexOf('/');
  const address = cidr.slice(0, slash);
  const length = cidr.slice(slash + 1);
  const family = slash < 0 || address.includes('%') ? 0 : isIP(address);
  if ((family !== 4 && family !== 6) || !/^\d{1,3}$/.test(length) || Number(length) > bitsOf(family)) {
    throw new RangeError(`invalid CIDR address: ${cidr}`);
  }
  return prefixOf(address, Number(length));
}

/** The subnet of this length that an address lies in. @throws RangeError for what is no address */
export function prefixOf(address: string, length: number): Prefix {
  const family = familyOf(address);
  const rest = BigInt(bitsOf(family) - length);
  return { family, base: (addressBits(address) >> rest) << rest, length };
}

export function prefixText({ family, base, length }: Prefix): string {
  return `${bitsText(family, base)}/${length}`;
}

/** How many addresses it has. */
export function prefixSize({ family, length }: Prefix): bigint {
  return 1n << BigInt(bitsOf(family) - length);
}

export function prefixContains(prefix: Prefix, address: string): boolean {
  if (isIP(address) !== prefix.family) return false;
  const bits = addressBits(address);
  return bits >= prefix.base && bits < prefix.base + prefixSize(prefix);
}

export function prefixesOverlap(a: Prefix, b: Prefix): boolean {
  if (a.family !== b.family) return false;
  return a.base < b.base + prefixSize(b) && b.base < a.base + prefixSize(a);
}

/** The address that is `offset` after the first one. */
export function addressAt({ family, base }: Prefix, offset: bigint): string {
  return bitsText(family, base + offset);
}

/** @throws RangeError for what is no address */
export function addressBits(address: string): bigint {
  return BigInt(`0x${Buffer.from(ipBytes(address)).toString('hex')}`);
}

/** An address as the kernel prints it: IPv6 in the form of RFC 5952. */
export function normalAddress(address: string): string {
  return ipText(ipBytes(address));
}

export function familyOf(address: string): 4 | 6 {
  return address.includes(':') ? 6 : 4;
}

function bitsText(family: 4 | 6, bits: bigint): string {
  return ipText(Buffer.from(bits.toString(16).padStart(bitsOf(family) / 4, '0'), 'hex'));
}

function bitsOf(family: 4 | 6): number {
  return family === 4 ? 32 : 128;
}
