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
 * @param before what the current ports were asked for by
 * @throws PortTaken, PortsExhausted, NotRelayed: nothing is changed then
 */
export function changePorts(
  table: PortTable,
  current: readonly PublishedPort[],
  before: readonly PortRequest[],
  requests: readonly PortRequest[],
  options: ReserveOptions,
): PortChange {
  const remaining = new Map<string, PublishedPort[]>();
  for (const port of current) remaining.set(placeOf(port), [...(remaining.get(placeOf(port)) ?? []), port]);
  const take = (request: PortRequest): readonly PublishedPort[] | undefined => {
    const candidates = remaining.get(placeOf(request)) ?? [];
    if (candidates.length === 0) return undefined;
    const found = fulfilling(request, table.addressesOf(request, options), candidates);
    if (found) {
      const rest = candidates.filter(port => !found.includes(port));
      remaining.set(placeOf(request), rest);
    }
    return found;
  };
  // What nobody asks for any more goes first, and what was chosen freely is found last: else it would take their ports.
  const wanted = new Set(requests.map(keyOf));
  const gone = before.filter(request => !wanted.has(keyOf(request))).toSorted(byChoice);
  const removed = gone.flatMap(request => (choiceOf(request) === 0 ? (take(request) ?? []) : []));
  const kept: PublishedPort[] = [];
  const missing: PortRequest[] = [];
  for (const request of requests.toSorted(byChoice)) {
    const found = take(request);
    if (found) kept.push(...found);
    else missing.push(request);
  }
  removed.push(...[...remaining.values()].flat());
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

const placeOf = ({ protocol, containerPort }: Pick<PublishedPort, 'protocol' | 'containerPort'>): string =>
  `${protocol}/${containerPort}`;

const keyOf = ({ protocol, containerPort, hostIp, hostPort, hostPortEnd }: PortRequest): string =>
  [protocol, containerPort, hostIp, hostPort, Math.max(hostPort, hostPortEnd)].join('/');

/** How many ports of the host would do, less one. */
const choiceOf = ({ hostPort, hostPortEnd }: PortRequest): number =>
  hostPort === 0 ? 65535 : Math.max(0, hostPortEnd - hostPort);

const byChoice = (a: PortRequest, b: PortRequest): number => choiceOf(a) - choiceOf(b);

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
