import { isIP } from 'node:net';
import { conflict, invalidParameter } from '@gantry/errors';
import type { PacketPath, PathEnd, PathRequest } from '@gantry/network';
import { gatewayEndpoints } from './containers/gateways.ts';
import { sharedWith } from './containers/networks.ts';
import type { EngineContext } from './context.ts';

/**
 * Says which way a packet takes from one end to another, and where it would be dropped. An end is a container, `host`,
 * `outside` or an address, with or without a port: `web:80`, `192.0.2.1:8080`, `[fd00::1]:80`.
 * @throws notFound, conflict (a container that does not run), invalidParameter
 */
export function explainPath(context: EngineContext, from: string, to: string, protocol: string): PacketPath {
  if (protocol !== 'tcp' && protocol !== 'udp' && protocol !== 'sctp') {
    throw invalidParameter(`invalid protocol ${JSON.stringify(protocol)}`, { hint: 'tcp, udp or sctp' });
  }
  const request: PathRequest = { from: readEnd(context, from), to: readEnd(context, to), protocol };
  const nameOf = (id: string): string => context.containers.get(id)?.name ?? id.slice(0, 12);
  return context.options.networks.path(request, nameOf);
}

function readEnd(context: EngineContext, text: string): PathEnd {
  const { name, port } = splitPort(text);
  const withPort = port === undefined ? {} : { port };
  if (name === '')
    throw invalidParameter('an end of the way is missing', { hint: 'name a container, host, outside or an address' });
  if (name === 'host' || name === 'outside') return { kind: name, ...withPort };
  if (isIP(name) !== 0) return { kind: 'address', address: name, ...withPort };
  let container = context.containers.find(name);
  const label = container.name;
  for (let shared = sharedWith(container.document.hostConfig.NetworkMode); shared !== undefined; ) {
    container = context.containers.find(shared);
    shared = sharedWith(container.document.hostConfig.NetworkMode);
  }
  if (!container.run)
    throw conflict(`container ${container.id} is not running`, { hint: 'start it: what does not run has no address' });
  const { endpoints } = container.run.facts;
  const gateways = gatewayEndpoints(context, container, endpoints);
  // First the one that leads out, by which everything goes that no network of the container has.
  const sorted = [...new Set([gateways.ipv4, gateways.ipv6, ...endpoints].filter(endpoint => endpoint !== undefined))];
  return { kind: 'container', name: label, endpoints: sorted, ...withPort };
}

/** The port behind the last colon; an IPv6 address with a port is in brackets. */
function splitPort(text: string): { readonly name: string; readonly port: number | undefined } {
  const [, bracketed, plain = '', digits] = /^(?:\[([^\]]+)\]|(.*?))(?::(\d+))?$/s.exec(text) ?? [];
  if (bracketed === undefined && isIP(text) !== 0) return { name: text, port: undefined };
  const port = digits === undefined ? undefined : Number(digits);
  if (port !== undefined && (port < 1 || port > 65535))
    throw invalidParameter(`invalid port in ${JSON.stringify(text)}`);
  return { name: bracketed ?? plain, port };
}
