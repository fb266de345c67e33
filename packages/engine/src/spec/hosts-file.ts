import { isIP } from 'node:net';
import { systemError } from '@gantry/errors';

const IPV4 = ['127.0.0.1\tlocalhost'];
const IPV6 = [
  '::1\tlocalhost ip6-localhost ip6-loopback',
  'fe00::\tip6-localnet',
  'ff00::\tip6-mcastprefix',
  'ff02::1\tip6-allnodes',
  'ff02::2\tip6-allrouters',
];

export type HostsRequest = {
  readonly hostname: string;
  readonly domainname: string;
  /** The container's own addresses, IPv4 first. */
  readonly addresses: readonly string[];
  /** `name:address` or `name:host-gateway`. */
  readonly extraHosts: readonly string[];
  /** Address and names of linked containers. */
  readonly linkedHosts?: readonly (readonly [address: string, names: string])[];
  readonly hostGatewayIps: readonly string[];
  /** Whether the container's network knows IPv6. */
  readonly ipv6: boolean;
};

/** The text of a container's /etc/hosts. @throws systemError when host-gateway has no address */
export function hostsFile(request: HostsRequest): string {
  const records: string[] = [];
  for (const extra of request.extraHosts) {
    const colon = extra.indexOf(':');
    const name = extra.slice(0, colon);
    const address = extra.slice(colon + 1);
    if (address === 'host-gateway' && request.hostGatewayIps.length === 0) {
      throw systemError('unable to derive the IP value for host-gateway');
    }
    for (const ip of address === 'host-gateway' ? request.hostGatewayIps : [address]) records.push(`${ip}\t${name}`);
  }
  for (const [address, names] of request.linkedHosts ?? []) records.push(`${address}\t${names}`);
  const full = request.domainname === '' ? request.hostname : `${request.hostname}.${request.domainname}`;
  const dot = full.indexOf('.');
  const names = dot < 0 ? full : `${full} ${full.slice(0, dot)}`;
  for (const address of request.addresses) records.push(`${address}\t${names}`);
  const lines = request.ipv6
    ? [...IPV4, ...IPV6, ...records]
    : [...IPV4, ...records.filter(record => isIP(record.split('\t', 1)[0] ?? '') !== 6)];
  return `${lines.join('\n')}\n`;
}
