import { randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import { invalidParameter, unavailable } from '@gantry/errors';
import { ipBytes, netlink } from '@gantry/linux';
import { AddressSpace } from './address-space.ts';
import type { AttachRequest } from './driver.ts';
import type { Endpoint, NetworkRecord } from './face.ts';
import { familyOf, normalAddress } from './prefix.ts';

type Space = { readonly addresses: AddressSpace; readonly gateway: string };

/** What an endpoint is reached under. */
export type TakenAddresses = Pick<Endpoint, 'ipv4' | 'ipv6' | 'macAddress'>;

/** Docker's names for the gateways of the default bridge that are other machines. */
export const DefaultGateway = { 4: 'DefaultGatewayIPv4', 6: 'DefaultGatewayIPv6' } as const;

/** The addresses of one network's endpoints, of each family that it has. */
export class EndpointAddresses {
  readonly #spaces = new Map<4 | 6, Space[]>();

  constructor(network: Pick<NetworkRecord, 'name' | 'id' | 'subnets'>) {
    for (const { subnet, gateway, ipRange, auxiliary } of network.subnets) {
      const family = familyOf(subnet);
      const space = {
        gateway: auxiliary?.[DefaultGateway[family]] ?? gateway,
        addresses: new AddressSpace({
          subnet,
          range: ipRange,
          reserved: [gateway, ...Object.values(auxiliary ?? {})],
          network,
        }),
      };
      this.#spaces.set(family, [...(this.#spaces.get(family) ?? []), space]);
    }
  }

  /** @throws unavailable (no address left, or the one asked for in use), invalidParameter (not of the network) */
  take(request: Pick<AttachRequest, 'ipv4Address' | 'ipv6Address' | 'macAddress'>): TakenAddresses {
    const macAddress = request.macAddress === undefined ? undefined : readMac(request.macAddress);
    const ipv4 = this.#take(4, request.ipv4Address);
    try {
      const ipv6 = this.#take(6, request.ipv6Address);
      return { ipv4, ipv6, macAddress: macAddress ?? macOf(ipv4?.address ?? ipv6?.address) };
    } catch (error) {
      this.release({ ipv4, ipv6: undefined });
      throw error;
    }
  }

  release({ ipv4, ipv6 }: Pick<Endpoint, 'ipv4' | 'ipv6'>): void {
    if (ipv4) this.#spaceOf(ipv4.address)?.addresses.release(ipv4.address);
    if (ipv6) this.#spaceOf(ipv6.address)?.addresses.release(ipv6.address);
  }

  /** Notes the addresses of an endpoint that was there before. */
  adopt({ ipv4, ipv6 }: Pick<Endpoint, 'ipv4' | 'ipv6'>): void {
    if (ipv4) this.#spaceOf(ipv4.address)?.addresses.take(ipv4.address);
    if (ipv6) this.#spaceOf(ipv6.address)?.addresses.take(ipv6.address);
  }

  #spaceOf(address: string): Space | undefined {
    return this.#spaces.get(familyOf(address))?.find(({ addresses }) => addresses.contains(address));
  }

  #take(family: 4 | 6, asked: string | undefined): Endpoint['ipv4'] {
    if (asked === undefined) return this.#allocate(family);
    if (isIP(asked) !== family) throw invalidParameter(`invalid IPv${family} address: ${asked}`);
    const space = this.#spaceOf(asked);
    if (!space) throw invalidParameter(`no configured subnet or ip-range contain the IP address ${asked}`);
    if (!space.addresses.take(asked)) {
      throw unavailable('Address already in use', { hint: `another container, or the gateway, has ${asked}` });
    }
    return { address: normalAddress(asked), prefixLength: space.addresses.prefixLength, gateway: space.gateway };
  }

  /** From the first subnet that has one left. */
  #allocate(family: 4 | 6): Endpoint['ipv4'] {
    const spaces = this.#spaces.get(family) ?? [];
    for (const [index, { addresses, gateway }] of spaces.entries()) {
      if (addresses.isFull && index < spaces.length - 1) continue;
      return { address: addresses.allocate(), prefixLength: addresses.prefixLength, gateway };
    }
    return undefined;
  }
}

function readMac(text: string): string {
  try {
    return netlink.formatMac(netlink.parseMac(text));
  } catch (cause) {
    throw invalidParameter(`invalid MAC address: ${text}`, { cause });
  }
}

/** Made of the address, so that a neighbour that remembers the address is never wrong about it; without one by chance. */
function macOf(address: string | undefined): string {
  const bytes = address === undefined ? randomBytes(4) : ipBytes(address).slice(-4);
  return netlink.formatMac(Uint8Array.of(2, 0x42, ...bytes));
}
