import { basename } from 'node:path';
import { invalidParameter, isGantryError, systemError } from '@gantry/errors';
import type { LinkedPort, Protocol } from '@gantry/network';
import type { EngineContext } from '../context.ts';
import type { ContainerConfig, HostConfig } from '../documents/index.ts';
import type { Container } from './container.ts';

export type Link = { readonly name: string; readonly alias: string };

/** A link of the default bridge as it is kept: to a container by its id. */
export type ContainerLink = { readonly id: string; readonly alias: string };

/**
 * Parses `NAME`, `NAME:ALIAS`, and the form that inspect shows, `/NAME:/PARENT/ALIAS`.
 * @throws invalidParameter in dockerd's words
 */
export function parseLink(text: string): Link {
  if (text === '') throw invalidParameter('empty string specified for links');
  const [name = '', alias, ...more] = text.split(':');
  if (more.length > 0) throw invalidParameter(`bad format for links: ${text}`);
  if (alias === undefined) return { name, alias: name };
  if (name.startsWith('/') && name.length > 1) return { name: name.slice(1), alias: basename(alias) };
  return { name, alias };
}

/** The links that a create request asks for on the default bridge. @throws invalidParameter in dockerd's words */
export function linksOfRequest(context: EngineContext, { NetworkMode, Links }: HostConfig): ContainerLink[] {
  if (NetworkMode !== 'bridge') return [];
  const links = new Map<string, string>();
  for (const { name, alias } of (Links ?? []).map(parseLink)) {
    let child: Container;
    try {
      child = context.containers.find(name);
    } catch (error) {
      if (!isGantryError(error)) throw error;
      throw invalidParameter(`could not get container for ${name}: ${error.message}`, { cause: error });
    }
    if (child.document.hostConfig.NetworkMode === 'host') {
      throw invalidParameter(
        "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
      );
    }
    // As dockerd: of equal aliases the first one counts.
    if (!links.has(alias)) links.set(alias, child.id);
  }
  return [...links].map(([alias, id]) => ({ id, alias }));
}

/** The linked containers that are still there. */
export function linkedContainers(
  context: EngineContext,
  container: Container,
): { readonly alias: string; readonly child: Container }[] {
  return (container.document.links ?? []).flatMap(({ id, alias }) => {
    const child = context.containers.get(id);
    return child ? [{ alias, child }] : [];
  });
}

/** What a container's start takes from those that it links to. */
export type LinkedParts = {
  /** Variables, before the container's own. */
  readonly env: readonly string[];
  /** Lines of /etc/hosts: address and names. */
  readonly hosts: readonly (readonly [address: string, names: string])[];
};

/** @throws system in dockerd's words when a linked container does not run, or is not on the default bridge */
export function linkedParts(context: EngineContext, container: Container): LinkedParts {
  const links = linkedContainers(context, container);
  if (links.length === 0 || !container.document.networks.bridge) return { env: [], hosts: [] };
  const parts = links.map(({ alias, child }) => {
    const full = `/${container.name}/${alias}`;
    if (!child.run) throw systemError(`Cannot link to a non running container: /${child.name} AS ${full}`);
    const endpoint = child.run.facts.endpoints.find(({ networkName }) => networkName === 'bridge');
    if (!endpoint) throw systemError(`container ${child.id} not attached to default bridge network`);
    const address = endpoint.ipv4?.address ?? '';
    const names = linkNames(alias, child);
    return {
      env: linkEnvironment(alias, full, address, child.document.config),
      hosts: [endpoint.ipv4, endpoint.ipv6].flatMap(family => (family ? [[family.address, names] as const] : [])),
    };
  });
  return { env: parts.flatMap(({ env }) => env), hosts: parts.flatMap(({ hosts }) => hosts) };
}

/** The exposed ports of the linked containers that run now, but for one that ends, at their addresses on the default bridge. */
export function linkedPorts(context: EngineContext, container: Container, gone?: Container): LinkedPort[] {
  return linkedContainers(context, container).flatMap(({ child }) => {
    const endpoint =
      child === gone ? undefined : child.run?.facts.endpoints.find(({ networkName }) => networkName === 'bridge');
    const address = endpoint?.ipv4?.address;
    return address === undefined ? [] : exposedPorts(child.document.config).map(port => ({ ...port, address }));
  });
}

/** What a linked container is called in /etc/hosts: the alias, its host name, its name. */
export function linkNames(alias: string, { name, document }: Container): string {
  return [alias, document.config.Hostname, ...(alias === name ? [] : [name])].join(' ');
}

/** The variables that tell of a linked container. @see Docker's documentation, "Legacy container links" */
function linkEnvironment(alias: string, full: string, address: string, config: ContainerConfig): string[] {
  const prefix = alias.toUpperCase().replaceAll('-', '_');
  const ports = exposedPorts(config);
  const first = ports.find(({ protocol }) => protocol === 'tcp') ?? ports[0];
  return [
    ...(first ? [`${prefix}_PORT=${first.protocol}://${address}:${first.port}`] : []),
    ...ports.flatMap(({ port, protocol }) => {
      const variable = `${prefix}_PORT_${port}_${protocol.toUpperCase()}`;
      return [
        `${variable}=${protocol}://${address}:${port}`,
        `${variable}_ADDR=${address}`,
        `${variable}_PORT=${port}`,
        `${variable}_PROTO=${protocol}`,
      ];
    }),
    `${prefix}_NAME=${full}`,
    ...(config.Env ?? [])
      .filter(assignment => /^(?!(?:HOME|PATH)=)[^=]+=/.test(assignment))
      .map(assignment => `${prefix}_ENV_${assignment}`),
  ];
}

/** The ports that a container says it serves, in rising order, TCP first. */
function exposedPorts({ ExposedPorts }: ContainerConfig): Omit<LinkedPort, 'address'>[] {
  return Object.keys(ExposedPorts ?? {})
    .map(port => /^(\d+)(?:\/(tcp|udp|sctp))?$/.exec(port))
    .flatMap(match => (match ? [{ port: Number(match[1]), protocol: (match[2] ?? 'tcp') as Protocol }] : []))
    .sort((a, b) => a.port - b.port || (a.protocol === 'tcp' ? -1 : 1));
}

/**
 * The lines of /etc/hosts with a linked container's names, with its addresses of now in place of what was there.
 * A line is its own when its first name is the alias.
 */
export function replaceLinkHosts(text: string, alias: string, addresses: readonly string[], names: string): string {
  const lines = text.split('\n');
  const at = lines.findIndex(line => line.split(/\s+/)[1] === alias);
  const others = lines.filter(line => line.split(/\s+/)[1] !== alias);
  if (at >= 0) others.splice(at, 0, ...addresses.map(address => `${address}\t${names}`));
  return others.join('\n');
}
