import { isIPv4 } from 'node:net';

/** An IPv4 subnet by numbers: its first address and the length of its prefix. */
export type Subnet = { readonly base: number; readonly prefixLength: number };

/** `10.1.0.7` to its number. @throws RangeError */
export function addressNumber(address: string): number {
  if (!isIPv4(address)) throw new RangeError(`${address} is not an IPv4 address`);
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

export function addressText(number: number): string {
  return [24, 16, 8, 0].map(shift => (number >>> shift) & 255).join('.');
}

/** The subnet that an address with prefix length lies in: `10.1.0.7/24` to 10.1.0.0/24. @throws RangeError */
export function parseSubnet(cidr: string): Subnet {
  const [address = '', length = ''] = cidr.split('/');
  const prefixLength = Number(length);
  if (!/^\d{1,2}$/.test(length) || prefixLength > 32) throw new RangeError(`invalid CIDR address: ${cidr}`);
  return subnetOf(addressNumber(address), prefixLength);
}

export function subnetOf(address: number, prefixLength: number): Subnet {
  const size = 2 ** (32 - prefixLength);
  return { base: address - (address % size), prefixLength };
}

export function subnetText({ base, prefixLength }: Subnet): string {
  return `${addressText(base)}/${prefixLength}`;
}

export function subnetSize({ prefixLength }: Subnet): number {
  return 2 ** (32 - prefixLength);
}

export function contains(subnet: Subnet, address: number): boolean {
  return address >= subnet.base && address < subnet.base + subnetSize(subnet);
}

export function overlaps(a: Subnet, b: Subnet): boolean {
  return contains(a, b.base) || contains(b, a.base);
}
