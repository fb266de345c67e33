import { conflict } from '@gantry/errors';
import type { Endpoint } from '@gantry/network';
import type { EngineContext } from '../context.ts';
import type { HostConfig } from '../documents/index.ts';
import type { Container, Run } from './container.ts';
import { gatewayEndpoints } from './gateways.ts';
import { portRequests, requestsBy, sharedWith } from './networks.ts';

/**
 * Publishes the ports that `after` asks for in place of those that are published; `after` is the container's configuration
 * when it resolves, on disk. An engine that is killed half-way ends it at its next start, see {@link resumePublish}.
 * @throws conflict when the network is not the container's own, system in dockerd's words when a port cannot be had
 */
export async function republish(context: EngineContext, container: Container, after: HostConfig): Promise<void> {
  const { document, run } = container;
  const before = document.hostConfig;
  if (sharedWith(before.NetworkMode) !== undefined) {
    throw conflict('conflicting options: port publishing and the container type network mode');
  }
  container.summary = undefined;
  const gateways = run && gatewayEndpoints(context, container, run.facts.endpoints);
  const [first, second] = new Set([gateways?.ipv4, gateways?.ipv6].filter(endpoint => endpoint !== undefined));
  if (!run || !first) {
    await save(context, container, after);
    return;
  }
  const change = async (endpoint: Endpoint, from: HostConfig, to: HostConfig): Promise<Endpoint> => {
    const place = run.facts.endpoints.indexOf(endpoint);
    const by = { ipv4: endpoint === gateways?.ipv4, ipv6: endpoint === gateways?.ipv6, split: second !== undefined };
    return context.options.networks.republish(endpoint, {
      containerName: container.name,
      before: requestsBy(portRequests(document.config, from), by),
      ports: requestsBy(portRequests(document.config, to), by),
      shim: run.shim,
      intend: async intended => {
        run.facts.endpoints = run.facts.endpoints.with(place, intended);
        run.facts.changingPorts = true;
        await Promise.all([
          save(context, container, intended === endpoint ? from : to),
          context.storage.saveFacts(container),
        ]);
      },
    });
  };
  try {
    const changed = await change(first, before, after);
    if (second) {
      await change(second, before, after).catch(async (error: unknown) => {
        await change(changed, after, before);
        throw error;
      });
    }
  } finally {
    delete run.facts.changingPorts;
    container.summary = undefined;
    void context.inBackground(`save ${container.id}`, context.storage.saveFacts(container));
  }
}

async function save(context: EngineContext, container: Container, hostConfig: HostConfig): Promise<void> {
  container.document.hostConfig = hostConfig;
  await context.storage.updateDocument(container);
}

/** Ends what an engine before this one began and was killed in. */
export async function resumePublish(context: EngineContext, container: Container, { shim, facts }: Run): Promise<void> {
  if (!facts.changingPorts) return;
  for (const protocol of ['tcp', 'udp', 'sctp'] as const) await shim.release(protocol, 1, 65535);
  for (const endpoint of facts.endpoints) {
    if (endpoint.ports.length > 0) await context.options.networks.resumePorts(endpoint, shim);
  }
  delete facts.changingPorts;
  await context.storage.saveFacts(container);
}
