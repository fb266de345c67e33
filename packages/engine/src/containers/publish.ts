import { conflict } from '@gantry/errors';
import type { EngineContext } from '../context.ts';
import type { HostConfig } from '../documents/index.ts';
import type { Container, Run } from './container.ts';
import { chooseGateway, portRequests, sharedWith } from './networks.ts';

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
  const endpoint = run && chooseGateway(context, container, run.facts.endpoints);
  container.summary = undefined;
  if (!run || !endpoint) {
    await save(context, container, after);
    return;
  }
  const place = run.facts.endpoints.indexOf(endpoint);
  try {
    await context.options.networks.republish(endpoint, {
      containerName: container.name,
      before: portRequests(document.config, before),
      ports: portRequests(document.config, after),
      shim: run.shim,
      intend: async intended => {
        run.facts.endpoints = run.facts.endpoints.with(place, intended);
        run.facts.changingPorts = true;
        await Promise.all([
          save(context, container, intended === endpoint ? before : after),
          context.storage.saveFacts(container),
        ]);
      },
    });
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
  for (const endpoint of facts.endpoints) {
    if (endpoint.ports.length > 0) await context.options.networks.resumePorts(endpoint, shim);
  }
  delete facts.changingPorts;
  await context.storage.saveFacts(container);
}
