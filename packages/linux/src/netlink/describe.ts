import { parseAddress } from './address.ts';
import { parseLink } from './link.ts';
import { NetlinkProtocol } from './message.ts';
import { type ParsedMessage, parseMessages } from './parse.ts';
import { parseRoute } from './route.ts';

/** Names of the messages of rtnetlink that something here sends. @see linux/rtnetlink.h */
const NAMES: Readonly<Record<number, string>> = {
  16: 'new link',
  17: 'delete link',
  18: 'get link',
  19: 'set link',
  20: 'new address',
  21: 'delete address',
  24: 'new route',
  25: 'delete route',
  28: 'new neighbour',
  29: 'delete neighbour',
};

/** What encoded messages ask of the kernel, for people: `new link gv12ab (veth), new address 172.18.0.2/16`. */
export function describeMessages(protocol: number, data: Uint8Array): string {
  const messages = parseMessages(data);
  if (protocol !== NetlinkProtocol.route) return `${messages.length} messages of protocol ${protocol}`;
  return messages.map(describeMessage).join(', ');
}

function describeMessage(message: ParsedMessage): string {
  return `${NAMES[message.type] ?? `message ${message.type}`} ${subject(message)}`.trimEnd();
}

function subject(message: ParsedMessage): string {
  const link = parseLink(message);
  if (link) {
    const name = link.name || `#${link.index}`;
    const states = [link.kind, ...(link.up ? ['up'] : [])].filter(state => state !== '');
    return states.length === 0 ? name : `${name} (${states.join(', ')})`;
  }
  const address = parseAddress(message);
  if (address) return `${address.address}/${address.prefixLength} on link #${address.linkIndex}`;
  const route = parseRoute(message);
  if (!route) return '';
  const { destination, gateway } = route;
  const target = destination ? `${destination.address}/${destination.prefixLength}` : 'default';
  return gateway === undefined ? target : `${target} by ${gateway}`;
}
