import { ipText, netlink, nftables as nft, SystemCallError } from '@gantry/linux';
import { type ForeignForwarder, foreignForwarders } from '../firewall/foreign.ts';
import { legacyForwarders } from '../firewall/legacy.ts';
import { LINKED_SET, linkedKey, PORT_SETS } from '../firewall/port-elements.ts';
import { ruleCount, Sets, type TableOptions, tableOf, USER_CHAIN } from '../firewall/rules.ts';

/** What our table says now, read from the kernel. */
export type TableView = {
  readonly name: string;
  /** It is there, with all its rules. */
  readonly whole: boolean;
  /** Rules of the user, which are not evaluated here. */
  readonly userRules: number;
  readonly has: (set: keyof typeof Sets, ...links: readonly string[]) => boolean;
  readonly masquerades: (address: string) => boolean;
  /** Where a published port leads; undefined when none is published there. */
  readonly published: (
    address: string,
    protocol: string,
    port: number,
  ) => { address: string; port: number } | undefined;
  readonly isOpen: (address: string, protocol: string, port: number) => boolean;
  /** Whether a link lets this caller in. */
  readonly isLinked: (from: string, to: string, protocol: string, port: number) => boolean;
  readonly closed: TableOptions['closed'];
  /** Forward chains of others that drop what they do not admit. */
  readonly foreign: readonly ForeignForwarder[];
};

export function readTable(bridge: string, closed: TableOptions['closed'], bridges: readonly string[]): TableView {
  using socket = new netlink.NetlinkSocket(netlink.NetlinkProtocol.netfilter);
  const table = tableOf(bridge);
  const tolerant = <T>(work: () => T[]): T[] => {
    try {
      return work();
    } catch (error) {
      if (error instanceof SystemCallError && error.code === 'ENOENT') return [];
      throw error;
    }
  };
  const read = (set: string): nft.ReadElement[] =>
    tolerant(() => socket.request([nft.getElements(table, set)]).flatMap(nft.parseElements));
  const rules = tolerant(() => socket.request([nft.getRules(table)]))
    .map(nft.parseRule)
    .filter(rule => rule !== undefined);
  const links = new Map(
    (Object.keys(Sets) as (keyof typeof Sets)[]).map(set => [set, new Set(read(Sets[set]).map(({ key }) => hex(key)))]),
  );
  const ports = new Map(PORT_SETS.map(set => [set, read(set)]));
  const ranges = [...read(Sets.masqueraded), ...read(Sets.masqueraded6)].map(({ key }) => Buffer.from(key));
  return {
    name: table.name,
    whole: rules.filter(({ chain }) => chain !== USER_CHAIN).length === ruleCount({ closed }),
    userRules: rules.filter(({ chain }) => chain === USER_CHAIN).length,
    has: (set, ...names) => links.get(set)?.has(hex(nft.concat(...names.map(nft.linkName)))) ?? false,
    masquerades: address => inRanges(ranges, nft.address(address)),
    published: (address, protocol, port) => find(ports, address, protocol, port),
    isOpen: (address, protocol, port) =>
      ports.get(`open-ports${suffix(address)}`)?.some(({ key }) => key.equals(exact(address, protocol, port))) ?? false,
    isLinked: (from, to, protocol, port) => {
      const asked = Buffer.from(linkedKey(from, to, protocol as 'tcp', port));
      return ports.get(LINKED_SET)?.some(({ key }) => key.equals(asked)) ?? false;
    },
    closed,
    foreign: [...foreignForwarders(socket, bridges), ...legacyForwarders()],
  };
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const suffix = (address: string): '6' | '' => (address.includes(':') ? '6' : '');

function exact(address: string, protocol: string, port: number): Buffer {
  return Buffer.from(nft.concat(nft.address(address), nft.protocol(protocol as 'tcp'), nft.port(port)));
}

function find(
  ports: ReadonlyMap<string, readonly nft.ReadElement[]>,
  address: string,
  protocol: string,
  port: number,
): { address: string; port: number } | undefined {
  const six = suffix(address);
  const length = six ? 16 : 4;
  const wildcard = Buffer.from(nft.concat(nft.protocol(protocol as 'tcp'), nft.port(port)));
  const asked = exact(address, protocol, port);
  const target = (value: Buffer | undefined, kept: number | undefined) =>
    value && { address: ipText(value.subarray(0, length)), port: kept ?? value.readUInt16BE(length) };
  const one =
    ports.get(`ports${six}`)?.find(({ key }) => key.equals(asked)) ??
    ports.get(`wildcard-ports${six}`)?.find(({ key }) => key.equals(wildcard));
  if (one) return target(one.value, undefined);
  const range = ports.get(`ranges${six}`)?.find(({ key, last }) => last && within(key, last, asked, length));
  return range && target(range.value, port);
}

/** Whether each field lies between those of two keys. */
function within(first: Buffer, last: Buffer, asked: Buffer, addressBytes: number): boolean {
  const fields = [
    [0, addressBytes],
    [addressBytes, addressBytes + 4],
    [addressBytes + 4, addressBytes + 6],
  ] as const;
  return fields.every(([from, to]) => {
    const value = asked.subarray(from, to);
    return value.compare(first, from, to) >= 0 && value.compare(last, from, to) <= 0;
  });
}

/** Interval sets are read as their bounds: each first address, and each first one after. An odd number lies below what is in. */
function inRanges(bounds: readonly Buffer[], address: Uint8Array): boolean {
  const below = bounds.filter(bound => bound.length === address.length && Buffer.compare(bound, address) <= 0);
  return below.length % 2 === 1;
}
