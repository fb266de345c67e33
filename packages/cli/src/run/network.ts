import type { EndpointSettings } from '@gantry/client';
import { ExitError } from '../errors.ts';
import type { Values } from '../flags/parse.ts';
import { splitCsv } from './mount.ts';

type Attachment = {
  target: string;
  aliases: string[];
  links: string[];
  ip?: string;
  ip6?: string;
  linkLocal: string[];
  mac?: string;
  driverOptions: Record<string, string>;
  priority: number;
};

/** The network mode, links of the default bridge, and the settings of each network that the flags name. @throws ExitError */
export function networking(values: Values): {
  readonly mode: string;
  readonly links: string[];
  readonly config: Record<string, EndpointSettings>;
} {
  const attachments = [...values.list('network'), ...values.list('net')].map(parseAttachment);
  const [first = attachment('default')] = attachments;
  const mode = first.target;
  const links = [...values.list('link')];
  const userDefined = isUserDefined(mode);
  if (values.changed('network-alias') || values.changed('net-alias')) {
    if (first.aliases.length > 0)
      throw new ExitError(125, 'conflicting options: cannot specify both --network-alias and per-network alias');
    first.aliases.push(...values.list('network-alias'), ...values.list('net-alias'));
  }
  if (userDefined) first.links.push(...links);
  first.ip ??= values.text('ip');
  first.ip6 ??= values.text('ip6');
  first.mac ??= values.text('mac-address');
  first.linkLocal.push(...values.list('link-local-ip'));
  const config: Record<string, EndpointSettings> = {};
  const [only] = attachments;
  for (const one of attachments.length > 0 ? attachments : [first]) {
    // A single network without settings is named by the mode alone.
    if (one === only && attachments.length === 1 && isPlain(one)) continue;
    if (config[one.target])
      throw new ExitError(125, `network ${JSON.stringify(one.target)} is specified multiple times`);
    if (attachments.length > 1 && !isUserDefined(one.target)) {
      throw new ExitError(
        125,
        'conflicting options: cannot attach both user-defined and non-user-defined network-modes',
      );
    }
    config[one.target] = endpoint(one);
  }
  return { mode, links, config };
}

function isPlain({ aliases, links, ip, ip6, linkLocal, mac, driverOptions, priority }: Attachment): boolean {
  const lists = aliases.length + links.length + linkLocal.length + Object.keys(driverOptions).length;
  return lists === 0 && !ip && !ip6 && !mac && priority === 0;
}

function isUserDefined(mode: string): boolean {
  return !['', 'default', 'bridge', 'host', 'none'].includes(mode) && !mode.startsWith('container:');
}

function attachment(target: string): Attachment {
  return { target, aliases: [], links: [], linkLocal: [], driverOptions: {}, priority: 0 };
}

/** `NAME`, or `name=NAME,alias=A,ip=...,driver-opt=k=v`. */
function parseAttachment(text: string): Attachment {
  const result = attachment(text);
  if (!/^\w[\w-]*=/.test(text)) return result;
  result.target = '';
  for (const field of splitCsv(text)) {
    const equals = field.indexOf('=');
    const value = field.slice(equals + 1).trim();
    if (equals < 0) throw new ExitError(125, `invalid field ${field}`);
    switch (field.slice(0, equals).trim().toLowerCase()) {
      case 'name':
        result.target = value;
        break;
      case 'alias':
        result.aliases.push(value);
        break;
      case 'ip':
        result.ip = value;
        break;
      case 'ip6':
        result.ip6 = value;
        break;
      case 'mac-address':
        result.mac = value;
        break;
      case 'link-local-ip':
        result.linkLocal.push(value);
        break;
      case 'driver-opt': {
        const [key = '', ...rest] = value.split('=');
        result.driverOptions[key.toLowerCase()] = rest.join('=').toLowerCase();
        break;
      }
      case 'gw-priority':
        result.priority = Number(value);
        break;
      default:
        throw new ExitError(125, `invalid field key ${field.slice(0, equals)}`);
    }
  }
  if (result.target === '') throw new ExitError(125, 'network name/id is not specified');
  return result;
}

function endpoint(one: Attachment): EndpointSettings {
  const ipam = {
    ...(one.ip ? { IPv4Address: one.ip } : {}),
    ...(one.ip6 ? { IPv6Address: one.ip6 } : {}),
    ...(one.linkLocal.length > 0 ? { LinkLocalIPs: one.linkLocal } : {}),
  };
  return {
    IPAMConfig: Object.keys(ipam).length > 0 ? ipam : null,
    Links: one.links.length > 0 ? one.links : null,
    Aliases: one.aliases.length > 0 ? one.aliases : null,
    MacAddress: one.mac ?? '',
    DriverOpts: Object.keys(one.driverOptions).length > 0 ? one.driverOptions : null,
    GwPriority: one.priority,
    NetworkID: '',
    EndpointID: '',
    Gateway: '',
    IPAddress: '',
    IPPrefixLen: 0,
    IPv6Gateway: '',
    GlobalIPv6Address: '',
    GlobalIPv6PrefixLen: 0,
    DNSNames: null,
  };
}
