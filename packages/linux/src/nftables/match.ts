import {
  compare,
  connection,
  destinationKind,
  type Expression,
  lookup,
  mask,
  meta,
  payload,
  word,
} from './expression.ts';
import { address, linkName } from './value.ts';

type Operator = 'equal' | 'unequal';

/** The link that a packet came in by. */
export function fromLink(name: string, operator: Operator = 'equal'): Expression[] {
  return [meta('iifname', 0), compare(operator, 0, linkName(name))];
}

/** The link that a packet leaves by. */
export function toLink(name: string, operator: Operator = 'equal'): Expression[] {
  return [meta('oifname', 0), compare(operator, 0, linkName(name))];
}

export function fromLinkIn(set: string, absent = false): Expression[] {
  return [meta('iifname', 0), lookup(set, 0, { absent })];
}

export function toLinkIn(set: string, absent = false): Expression[] {
  return [meta('oifname', 0), lookup(set, 0, { absent })];
}

/** The pair of links, as one key of 32 bytes. */
export function linksIn(set: string): Expression[] {
  return [meta('iifname', 0), meta('oifname', 4), lookup(set, 0)];
}

/** Any IPv4 packet; needed in tables of both families before the IPv4 header is looked at. */
export function isIPv4(): Expression[] {
  return [meta('nfproto', 0), compare('equal', 0, Uint8Array.of(2))];
}

/** Any IPv6 packet. */
export function isIPv6(): Expression[] {
  return [meta('nfproto', 0), compare('equal', 0, Uint8Array.of(10))];
}

/** The IPv6 source is in a set. */
export function source6In(set: string): Expression[] {
  return [...isIPv6(), payload('network', 8, 16, 0), lookup(set, 0)];
}

/** The IPv6 destination is (or is not) ::1. */
export function destinationIsLoopback6(operator: Operator = 'equal'): Expression[] {
  return [...isIPv6(), payload('network', 24, 16, 0), compare(operator, 0, address('::1'))];
}

/** The packet comes in by a link of this kind (`bridge`, `veth`). Links without a kind, as network cards, never match. */
export function fromLinkOfKind(kind: string): Expression[] {
  return [meta('iifkind', 0), compare('equal', 0, linkName(kind))];
}

/** The packet leaves by a link of this kind. */
export function toLinkOfKind(kind: string): Expression[] {
  return [meta('oifkind', 0), compare('equal', 0, linkName(kind))];
}

/** The IPv4 source is in a set. */
export function sourceIn(set: string): Expression[] {
  return [...isIPv4(), payload('network', 12, 4, 0), lookup(set, 0)];
}

/** The IPv4 source is in 127.0.0.0/8. */
export function sourceIsLoopback(): Expression[] {
  return [...isIPv4(), payload('network', 12, 1, 0), compare('equal', 0, Uint8Array.of(127))];
}

/** The IPv4 destination is in 127.0.0.0/8. */
export function destinationIsLoopback(): Expression[] {
  return [...isIPv4(), payload('network', 16, 1, 0), compare('equal', 0, Uint8Array.of(127))];
}

const RTN_LOCAL = 2;

/** The destination is an address of this host. */
export function destinationIsLocal(): Expression[] {
  return [destinationKind(0), compare('equal', 0, word(RTN_LOCAL))];
}

/** @see linux/netfilter/nf_conntrack_common.h */
const STATE = { established: 2, related: 4, new: 8 } as const;

export function connectionState(...states: readonly (keyof typeof STATE)[]): Expression[] {
  const bits = states.reduce((sum, state) => sum | STATE[state], 0);
  return [connection('state', 0), mask(0, word(bits)), compare('unequal', 0, word(0))];
}

const IPS_DST_NAT = 0x20;

/** The destination of the connection was rewritten. */
export function destinationWasTranslated(): Expression[] {
  return [connection('status', 0), mask(0, word(IPS_DST_NAT)), compare('unequal', 0, word(0))];
}
