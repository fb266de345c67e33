import { conflict, forbidden, invalidParameter, isGantryError, messageOf, notFound, systemError } from '@gantry/errors';
import {
  type NetworkAttachment,
  type NetworkRecord,
  type PortRequest,
  type Protocol,
  resolverRuleSteps,
  resolverSocketSteps,
} from '@gantry/network';
import type { EngineContext } from '../context.ts';
import type { ContainerConfig, EndpointSettings, HostConfig, NetworkingConfig } from '../documents/index.ts';
import { isUserDefinedNetwork } from '../validate/modes.ts';
import type { Container } from './container.ts';
import {
  addressWishes,
  checkEndpointSettings,
  checkLinkLocal,
  checkSharedSettings,
  choosesCongestion,
  InterfaceNames,
  interfaceSysctls,
} from './endpoint-settings.ts';
import { chooseGateways } from './gateways.ts';

const CONTAINER = 'container:';

/** The container that a mode like `container:web` names, or undefined. */
export function sharedWith(mode: string): string | undefined {
  return mode.startsWith(CONTAINER) ? mode.slice(CONTAINER.length) : undefined;
}

/** The networks that a new container will be on, by name as given, with the wishes for each. @throws invalidParameter */
export function wantedNetworks(
  config: ContainerConfig,
  hostConfig: HostConfig,
  networking: NetworkingConfig,
): Record<string, Partial<EndpointSettings>> {
  if (config.NetworkDisabled) return {};
  if (sharedWith(hostConfig.NetworkMode) !== undefined) {
    for (const [name, settings] of Object.entries(networking.EndpointsConfig))
      checkSharedSettings(name, settings ?? {});
    return {};
  }
  const mode = hostConfig.NetworkMode;
  const primary = mode === '' || mode === 'default' ? 'bridge' : mode;
  const wanted: Record<string, Partial<EndpointSettings>> = { [primary]: {} };
  for (const [name, settings] of Object.entries(networking.EndpointsConfig)) {
    wanted[name === 'default' ? 'bridge' : name] = settings ?? {};
  }
  return wanted;
}

/** Checks what a new container wants of networks that exist; of others it is told at its start. @throws invalidParameter */
export function checkWantedNetworks(
  { networks }: EngineContext['options'],
  wanted: Readonly<Record<string, Partial<EndpointSettings>>>,
): void {
  for (const [name, settings] of Object.entries(wanted)) {
    const network = isThere(networks, name);
    if (network) checkEndpointSettings(network, settings, `invalid config for network ${name}: `);
  }
}

function isThere(stack: EngineContext['options']['networks'], name: string): NetworkRecord | undefined {
  try {
    return stack.get(name);
  } catch {
    return undefined;
  }
}

/** Reserves the container's place on each of its networks, first the one of its network mode. */
export async function attachNetworks(
  context: EngineContext,
  container: Container,
): Promise<{ readonly attachments: NetworkAttachment[]; readonly networks: NetworkRecord[] }> {
  const { networks: stack } = context.options;
  const { document } = container;
  const attachments: NetworkAttachment[] = [];
  const networks: NetworkRecord[] = [];
  const wanted = Object.entries(document.networks).map(([name, settings]) => ({
    network: findNetwork(stack, name),
    settings,
  }));
  // Under its name, however it was asked for.
  document.networks = Object.fromEntries(wanted.map(({ network, settings }) => [network.name, settings]));
  const gateways = chooseGateways(
    wanted.map(({ network, settings }) => ({ network, priority: settings.GwPriority ?? 0 })),
  );
  const names = new InterfaceNames();
  const requests = portRequests(document.config, document.hostConfig);
  const split = gateways.ipv4 !== undefined && gateways.ipv6 !== undefined && gateways.ipv4 !== gateways.ipv6;
  try {
    for (const { network, settings } of wanted) {
      checkEndpointSettings(network, settings, `invalid config for network ${network.name}: `);
      checkLinkLocal(settings, 'failed to set up container networking: ');
      const leads = { ipv4: network === gateways.ipv4?.network, ipv6: network === gateways.ipv6?.network };
      const isGateway = leads.ipv4 || leads.ipv6;
      const interfaceName = names.next(network, settings);
      const attachment = await stack.attach({
        gateways: leads,
        networkId: network.id,
        containerId: document.id,
        containerName: document.name,
        macAddress: settings.MacAddress || (attachments.length === 0 ? document.config.MacAddress : '') || undefined,
        ...addressWishes(settings),
        interfaceName,
        sysctls: interfaceSysctls(settings, interfaceName),
        ownCongestion: choosesCongestion(document.hostConfig),
        place: attachments.length,
        ports: isGateway && !network.internal ? requestsBy(requests, { ...leads, split }) : [],
      });
      const resolves = isUserDefinedNetwork(network.name) && !networks.some(({ name }) => isUserDefinedNetwork(name));
      attachments.push(
        resolves
          ? {
              ...attachment,
              parent: [...resolverSocketSteps, ...attachment.parent],
              child: [...attachment.child, ...resolverRuleSteps],
            }
          : attachment,
      );
      networks.push(network);
    }
  } catch (error) {
    for (const { endpoint } of attachments) await stack.detach(endpoint);
    // As dockerd: what the request says wrongly stands alone.
    if (isGantryError(error, 'unavailable') && error.message === 'Address already in use') {
      throw systemError(`failed to set up container networking: ${error.message}`, { cause: error });
    }
    if (isGantryError(error, 'forbidden')) {
      throw forbidden(`failed to set up container networking: ${error.message}`, {
        cause: error,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
      });
    }
    throw error;
  }
  return { attachments, networks };
}

function findNetwork(stack: EngineContext['options']['networks'], name: string): NetworkRecord {
  try {
    return stack.get(name);
  } catch (cause) {
    throw notFound(`failed to set up container networking: network ${name} not found`, { cause });
  }
}

/** Those of the requests that a network publishes which is one of two ways to the world: it has the addresses of its family. */
export function requestsBy(
  requests: readonly PortRequest[],
  { ipv4, split }: { readonly ipv4: boolean; readonly ipv6: boolean; readonly split: boolean },
): readonly PortRequest[] {
  if (!split) return requests;
  return requests
    .filter(({ hostIp }) => hostIp === '' || hostIp.includes(':') !== ipv4)
    .map(request => (request.hostIp === '' ? { ...request, hostIp: ipv4 ? '0.0.0.0' : '::' } : request));
}

/** Every published port as a request; a port of --publish-all that nobody bound asks for a free host port. */
export function portRequests(config: ContainerConfig, hostConfig: HostConfig): PortRequest[] {
  const requests: PortRequest[] = [];
  const bindings = hostConfig.PortBindings ?? {};
  for (const [key, list] of Object.entries(bindings)) {
    for (const { HostIp, HostPort } of list ?? [{ HostIp: '', HostPort: '' }]) {
      const [first = '', end = first] = HostPort.split('-');
      requests.push({
        ...containerPort(key),
        hostIp: HostIp,
        hostPort: Number(first || 0),
        hostPortEnd: Number(end || first || 0),
      });
    }
  }
  if (hostConfig.PublishAllPorts) {
    for (const key of Object.keys(config.ExposedPorts ?? {})) {
      if (bindings[key]?.length) continue;
      requests.push({ ...containerPort(key), hostIp: '', hostPort: 0, hostPortEnd: 0 });
    }
  }
  return requests;
}

/** `80/tcp` or `80`. */
export function containerPort(key: string): { readonly protocol: Protocol; readonly containerPort: number } {
  const [port = '', protocol = 'tcp'] = key.split('/');
  if (protocol !== 'tcp' && protocol !== 'udp' && protocol !== 'sctp') {
    throw invalidParameter(`invalid port specification: "${key}"`);
  }
  return { protocol, containerPort: Number(port) };
}

function findOwner(context: EngineContext, ref: string): Container {
  try {
    return context.containers.find(ref);
  } catch (cause) {
    throw systemError(`joining network namespace of container: ${messageOf(cause)}`, { cause });
  }
}

/** The container whose network is joined, running. @throws conflict in Docker's words */
export function networkOwner(context: EngineContext, container: Container): Container | undefined {
  const ref = sharedWith(container.document.hostConfig.NetworkMode);
  if (ref === undefined) return undefined;
  const owner = findOwner(context, ref);
  if (owner === container) throw systemError('cannot join own network namespace');
  if (!owner.isUp) {
    throw conflict(
      `cannot join network namespace of a non running container: container ${owner.name} is ${owner.status}`,
    );
  }
  if (!owner.run) {
    throw conflict(
      `cannot join network namespace of container: Container ${owner.id} is restarting, wait until the container is running`,
    );
  }
  return owner;
}
