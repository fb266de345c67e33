import type { Endpoint, PublishedPort, RepublishRequest } from './face.ts';
import type { Firewall } from './firewall/firewall.ts';
import { changePorts } from './port-change.ts';
import { explainLaunchFailure, externalConnectivityError } from './port-errors.ts';
import { portSocketSteps } from './port-sockets.ts';
import { portSpans } from './port-spans.ts';
import type { PortTable, ReserveOptions } from './ports.ts';

type Shim = RepublishRequest['shim'];

export type RepublishContext = {
  readonly ports: PortTable;
  readonly reach: ReserveOptions;
  readonly firewall: Firewall | undefined;
  readonly endpoints: () => readonly Endpoint[];
  /** Makes the endpoint known in place of what it was. */
  readonly replace: (endpoint: Endpoint) => void;
};

/** Publishes other ports of a container that runs: reservation, record, sockets, rules, in this order, or back again. */
export async function republish(
  endpoint: Endpoint,
  { containerName, before, ports, shim, intend }: RepublishRequest,
  context: RepublishContext,
): Promise<Endpoint> {
  const { firewall, replace } = context;
  const rules = firewall !== undefined;
  const change = reserved(endpoint, containerName, () =>
    changePorts(context.ports, endpoint.ports, before, ports, context.reach),
  );
  const next: Endpoint = { ...endpoint, ports: [...change.kept, ...change.added] };
  // A socket may stand for several addresses of a port: those of a port that changes are all made anew.
  const touched = new Set([...change.added, ...change.removed].map(placeOf));
  const touching = (list: readonly PublishedPort[]): PublishedPort[] => list.filter(port => touched.has(placeOf(port)));
  try {
    await intend(next);
    replace(next);
    await release(touching(endpoint.ports), shim);
    try {
      await hold(next, touching(next.ports), containerName, shim, rules);
      await firewall?.changePorts(endpoint, next, context.endpoints);
    } catch (error) {
      replace(endpoint);
      await release(touching(next.ports), shim);
      await hold(endpoint, touching(endpoint.ports), containerName, shim, rules);
      await firewall?.changePorts(next, endpoint, context.endpoints);
      throw error;
    }
  } catch (error) {
    change.undo();
    await intend(endpoint);
    throw error;
  }
  // Old flows would keep ports that went, and keep away from ports that came.
  await firewall?.forgetConnections({ ...endpoint, ports: [...change.removed, ...change.added] });
  return next;
}

/** Holds what the endpoint says, for a shim that holds nothing. */
export async function holdAgain(endpoint: Endpoint, shim: Shim, rules: boolean): Promise<void> {
  const steps = portSocketSteps(endpoint, endpoint.ports, rules);
  if (steps.length > 0) await shim.hold(steps);
}

const placeOf = ({ protocol, hostPort, containerPort }: PublishedPort): string =>
  hostPort === 0 ? `${protocol}/open/${containerPort}` : `${protocol}/${hostPort}`;

function reserved<T>(endpoint: Endpoint, containerName: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw externalConnectivityError(containerName, endpoint.id, error);
  }
}

async function release(ports: readonly PublishedPort[], shim: Shim): Promise<void> {
  for (const { protocol, hostPort, count } of portSpans(ports)) {
    if (hostPort !== 0) await shim.release(protocol, hostPort, count);
  }
}

async function hold(
  endpoint: Endpoint,
  ports: readonly PublishedPort[],
  containerName: string,
  shim: Shim,
  rules: boolean,
): Promise<void> {
  for (const step of portSocketSteps(endpoint, ports, rules)) {
    try {
      await shim.hold([step]);
    } catch (error) {
      const errno = errnoOf(error);
      const explained =
        errno === undefined
          ? undefined
          : explainLaunchFailure(endpoint, containerName, { step, errno, where: 'prepare' });
      throw explained ?? error;
    }
  }
}

/** The errno that a shim answered. */
function errnoOf(error: unknown): number | undefined {
  const cause = error instanceof Error ? error.cause : undefined;
  return typeof cause === 'object' && cause !== null && 'errno' in cause ? Number(cause.errno) : undefined;
}
