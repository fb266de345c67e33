import type { Step } from '@gantry/runtime';
import type { Endpoint, PublishedPort } from './face.ts';
import { type PortSpan, portSpans, targetOf } from './port-spans.ts';

/**
 * The host sockets that hold published ports while the container runs, one step a span and one socket a port: a port of
 * all addresses of both families is one socket too. Rules take connections to the container before they reach it; those of
 * another family, those to ::1, which the kernel lets nobody redirect, and all where there are no rules are relayed.
 */
export function portSocketSteps(endpoint: Endpoint, ports: readonly PublishedPort[], rules: boolean): Step[] {
  const spans = portSpans(ports.filter(({ hostPort }) => hostPort !== 0));
  const wide = new Map(spans.filter(({ hostIp }) => hostIp === '::').map(span => [placeOf(span), span]));
  const joined = new Set<PortSpan>();
  for (const span of spans) {
    const twin = span.hostIp === '0.0.0.0' && wide.get(placeOf(span));
    if (twin && sameRelay(endpoint, span, twin, rules)) joined.add(span).add(twin);
  }
  return spans.flatMap(span => {
    if (joined.has(span) && span.hostIp === '0.0.0.0') return [];
    const target = targetOf(endpoint, span.hostIp);
    const relayed = isRelayed(span, target?.relayed ?? false, rules);
    return [
      {
        op: 'hostSocket',
        protocol: span.protocol,
        address: span.hostIp,
        port: span.hostPort,
        ...(span.count > 1 ? { count: span.count } : {}),
        ...(joined.has(span) ? { bothFamilies: true } : {}),
        ...(relayed && target ? { relayTo: { address: target.address, port: span.containerPort } } : {}),
      } satisfies Step,
    ];
  });
}

const placeOf = ({ protocol, hostPort, containerPort, count }: PortSpan): string =>
  `${protocol}/${hostPort}/${containerPort}/${count}`;

/** Whether connections that come to the socket itself are of use. SCTP is never relayed. */
function isRelayed(span: PortSpan, otherFamily: boolean, rules: boolean): boolean {
  if (span.protocol === 'sctp') return false;
  return otherFamily || !rules || span.relayed === true || span.hostIp === '::' || span.hostIp === '::1';
}

/** One socket relays to one address: IPv4 may share that of IPv6 when it never gets there, or leads to the same place. */
function sameRelay(endpoint: Endpoint, four: PortSpan, six: PortSpan, rules: boolean): boolean {
  const target = targetOf(endpoint, four.hostIp);
  return (
    !isRelayed(four, target?.relayed ?? false, rules) || target?.address === targetOf(endpoint, six.hostIp)?.address
  );
}
