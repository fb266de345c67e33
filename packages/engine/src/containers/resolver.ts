import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { Resolver } from '@gantry/network';
import type { EngineContext } from '../context.ts';
import { closeDescriptor } from '../descriptor.ts';
import { isUserDefinedNetwork } from '../validate/modes.ts';
import type { Container, Run } from './container.ts';

/** Starts to answer the questions of a container on a user-defined network; its shim holds the sockets. */
export async function startResolver(context: EngineContext, container: Container, run: Run): Promise<void> {
  const { endpoints } = run.facts;
  for (const endpoint of endpoints) context.names.enter(container, endpoint);
  if (run.resolver || !endpoints.some(({ networkName }) => isUserDefinedNetwork(networkName))) return;
  const udp = await run.shim.heldSocket('udp');
  let tcp: number;
  try {
    tcp = await run.shim.heldSocket('tcp');
  } catch (error) {
    closeDescriptor(udp);
    throw error;
  }
  const { networks } = context.options;
  const resolver = new Resolver(
    { udp, tcp },
    {
      version: () => context.names.version,
      addresses: name => context.names.addresses(run.facts.endpoints, name),
      name: address => context.names.nameOf(run.facts.endpoints, address),
      upstreams: () =>
        run.facts.endpoints.some(({ networkId }) => !networks.get(networkId).internal)
          ? upstreams(context, container)
          : [],
    },
  );
  if (run.over || run.resolver) resolver[Symbol.dispose]();
  else run.resolver = resolver;
}

/** Ends it with the run, or with this engine. */
export function endResolver(context: EngineContext, run: Run): void {
  for (const endpoint of run.facts.endpoints) context.names.leave(endpoint);
  closeResolver(run);
}

export function closeResolver(run: Run): void {
  run.over = true;
  run.resolver?.[Symbol.dispose]();
  run.resolver = undefined;
}

/** The name servers that a container's other questions go to: its own, the daemon's, or the host's. */
function upstreams(context: EngineContext, container: Container): string[] {
  const own = container.document.hostConfig.Dns ?? [];
  if (own.length > 0) return own;
  const { dns } = context.options.defaults;
  return dns.length > 0 ? [...dns] : hostNameServers();
}

export function hostNameServers(): string[] {
  let text = '';
  try {
    text = readFileSync('/etc/resolv.conf', 'utf8');
  } catch {
    // A host without the file has no name servers.
  }
  return [...text.matchAll(/^\s*nameserver\s+(\S+)/gm)].map(([, server = '']) => server).filter(one => isIP(one) !== 0);
}
