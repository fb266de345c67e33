import type { PortRequest, PublishedPort } from './face.ts';
import type { PortTable, ReserveOptions } from './ports.ts';

/** What becomes of a container's published ports when other ones are asked for. */
export type PortChange = {
  readonly kept: readonly PublishedPort[];
  readonly added: readonly PublishedPort[];
  readonly removed: readonly PublishedPort[];
  /** Takes the reservations back. */
  readonly undo: () => void;
};

/**
 * Reserves what is asked for and not there yet, and gives the rest back. A port that was chosen freely stays the one it is.
 * @throws PortTaken, PortsExhausted, NotRelayed: nothing is changed then
 */
export function changePorts(
  table: PortTable,
  current: readonly PublishedPort[],
  requests: readonly PortRequest[],
  options: ReserveOptions,
): PortChange {
  const remaining = new Map<string, PublishedPort[]>();
  const keyOf = ({ protocol, containerPort }: Pick<PublishedPort, 'protocol' | 'containerPort'>): string =>
    `${protocol}/${containerPort}`;
  for (const port of current) remaining.set(keyOf(port), [...(remaining.get(keyOf(port)) ?? []), port]);
  const kept: PublishedPort[] = [];
  const missing: PortRequest[] = [];
  for (const request of requests) {
    const candidates = remaining.get(keyOf(request)) ?? [];
    const found =
      candidates.length === 0 ? undefined : fulfilling(request, table.addressesOf(request, options), candidates);
    if (!found) {
      missing.push(request);
      continue;
    }
    kept.push(...found);
    remaining.set(
      keyOf(request),
      candidates.filter(port => !found.includes(port)),
    );
  }
  const removed = [...remaining.values()].flat();
  table.release(removed);
  let added: PublishedPort[];
  try {
    added = table.reserve(missing, options);
  } catch (error) {
    table.adopt(removed);
    throw error;
  }
  const undo = (): void => {
    table.release(added);
    table.adopt(removed);
  };
  return { kept, added, removed, undo };
}

/** Those of the ports that are all that a request asks for; undefined when something is missing. */
function fulfilling(
  { hostPort, hostPortEnd }: PortRequest,
  addresses: { readonly bound: readonly string[]; readonly opened: readonly string[] },
  candidates: readonly PublishedPort[],
): PublishedPort[] | undefined {
  const at = (hostIp: string, port: number): PublishedPort | undefined =>
    candidates.find(candidate => candidate.hostIp === hostIp && candidate.hostPort === port);
  const opened = addresses.opened.map(address => at(address, 0));
  const [first] = addresses.bound;
  const last = Math.max(hostPort, hostPortEnd);
  const port = candidates.find(
    candidate =>
      candidate.hostIp === first &&
      candidate.hostPort !== 0 &&
      (hostPort === 0 || (candidate.hostPort >= hostPort && candidate.hostPort <= last)),
  )?.hostPort;
  const bound = port === undefined ? [] : addresses.bound.map(address => at(address, port));
  if (first !== undefined && port === undefined) return undefined;
  const all = [...opened, ...bound];
  return all.every(found => found !== undefined) ? all.filter(found => found !== undefined) : undefined;
}
