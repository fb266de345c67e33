import { type netlink, nftables as nft } from '@gantry/linux';
import type { Endpoint, LinkedPort } from '../face.ts';
import { type PortSpan, portSpans, targetOf } from '../port-spans.ts';

const { DataType: Type } = nft;

/** The maps and sets that published ports are elements of; those of IPv6 end in 6. */
const PUBLISHED_SETS = ['ports', 'wildcard-ports', 'ranges', 'open-ports'] as const;
/** Who may call whom at which port, where containers of one bridge do not reach each other. */
export const LINKED_SET = 'linked';
export type PortSet = (typeof PUBLISHED_SETS)[number] | `${(typeof PUBLISHED_SETS)[number]}6` | typeof LINKED_SET;
/** All sets whose elements are ports. */
export const PORT_SETS: readonly PortSet[] = [
  ...PUBLISHED_SETS.flatMap((name): PortSet[] => [name, `${name}6`]),
  LINKED_SET,
];

/** Elements by the set that they belong to. */
export type PortElements = ReadonlyMap<PortSet, readonly nft.SetElement[]>;

/** How the sets of published ports are defined. */
export function portSetDefinitions(): nft.SetDefinition[] {
  const published = (['ipv4', 'ipv6'] as const).flatMap((family): nft.SetDefinition[] => {
    const six = family === 'ipv6' ? '6' : '';
    const exact = nft.concatenated(Type[family], Type.protocol, Type.port);
    const target = nft.concatenated(Type[family], Type.port);
    return [
      { name: `ports${six}`, key: exact, value: target },
      { name: `wildcard-ports${six}`, key: nft.concatenated(Type.protocol, Type.port), value: target },
      // Of a range the port stays what it is: one element for any number of them.
      { name: `ranges${six}`, key: exact, value: Type[family], interval: true },
      { name: `open-ports${six}`, key: exact },
    ];
  });
  return [...published, { name: LINKED_SET, key: nft.concatenated(Type.ipv4, Type.ipv4, Type.protocol, Type.port) }];
}

/** The elements that open ports of others to the address of an endpoint. IPv4 alone, as in Docker. */
export function linkedElements({ ipv4 }: Endpoint, ports: readonly LinkedPort[]): PortElements {
  const keys = new Map(
    ports.map(({ address, protocol, port }) => {
      const key = linkedKey(ipv4?.address ?? '0.0.0.0', address, protocol, port);
      return [Buffer.from(key).toString('hex'), key];
    }),
  );
  return new Map([[LINKED_SET, [...keys.values()].map(key => ({ key }))]]);
}

/** The element of a caller, the address and the port that it may call. */
export function linkedKey(from: string, to: string, protocol: LinkedPort['protocol'], port: number): Uint8Array {
  return nft.concat(nft.address(from), nft.address(to), nft.protocol(protocol), nft.port(port));
}

/** The elements that publish the ports of endpoints. A port of the host that is relayed has none. */
export function portElements(endpoints: readonly Endpoint[]): PortElements {
  const elements = new Map<PortSet, nft.SetElement[]>();
  const add = (set: PortSet, element: nft.SetElement): void => {
    const list = elements.get(set);
    if (list) list.push(element);
    else elements.set(set, [element]);
  };
  for (const endpoint of endpoints) {
    for (const span of portSpans(endpoint.ports)) {
      const target = targetOf(endpoint, span.hostIp);
      if (!target || target.relayed || span.relayed) continue;
      addSpan(span, target.address, add);
      if (endpoint.direct && span.hostPort !== 0) open(span, target.address, add);
    }
  }
  if (endpoints.some(({ direct }) => direct)) withoutTwins(elements);
  return elements;
}

/** A port that is published at several addresses is opened once: an element that is deleted twice fails. */
function withoutTwins(elements: Map<PortSet, nft.SetElement[]>): void {
  for (const set of ['open-ports', 'open-ports6'] as const) {
    const byKey = new Map(elements.get(set)?.map(element => [Buffer.from(element.key).toString('hex'), element]));
    if (byKey.size > 0) elements.set(set, [...byKey.values()]);
  }
}

function open(
  { hostIp, containerPort, count, protocol }: PortSpan,
  target: string,
  add: (set: PortSet, element: nft.SetElement) => void,
): void {
  for (let offset = 0; offset < count; offset++) {
    add(`open-ports${hostIp.includes(':') ? '6' : ''}`, { key: exactKey(target, protocol, containerPort + offset) });
  }
}

function addSpan(span: PortSpan, target: string, add: (set: PortSet, element: nft.SetElement) => void): void {
  const { hostIp, hostPort, containerPort, count, protocol } = span;
  const six = hostIp.includes(':') ? '6' : '';
  const wildcard = hostIp === '0.0.0.0' || hostIp === '::';
  if (count > 1 && hostPort === containerPort) {
    const last = wildcard ? (six ? 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff' : '255.255.255.255') : hostIp;
    add(`ranges${six}`, {
      key: exactKey(hostIp, protocol, hostPort),
      last: exactKey(last, protocol, hostPort + count - 1),
      value: nft.address(target),
    });
    return;
  }
  for (let offset = 0; offset < count; offset++) {
    const value = nft.concat(nft.address(target), nft.port(containerPort + offset));
    if (hostPort === 0) add(`open-ports${six}`, { key: exactKey(target, protocol, containerPort + offset) });
    else if (wildcard) add(`wildcard-ports${six}`, { key: wildcardKey(protocol, hostPort + offset), value });
    else add(`ports${six}`, { key: exactKey(hostIp, protocol, hostPort + offset), value });
  }
}

/** Adds or deletes the elements, as `change` says. */
export function portMessages(
  change: typeof nft.addElements,
  table: nft.Table,
  elements: PortElements,
): netlink.Message[] {
  return [...elements].flatMap(([set, list]) => change(table, set, list));
}

function exactKey(address: string, protocol: PortSpan['protocol'], port: number): Uint8Array {
  return nft.concat(nft.address(address), nft.protocol(protocol), nft.port(port));
}

function wildcardKey(protocol: PortSpan['protocol'], port: number): Uint8Array {
  return nft.concat(nft.protocol(protocol), nft.port(port));
}
