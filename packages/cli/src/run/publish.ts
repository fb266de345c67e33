import { isIP } from 'node:net';
import type { PortMap, PortSet } from '@gantry/client';
import { splitCsv } from './mount.ts';

type Range = { readonly first: number; readonly last: number };

/**
 * Reads every `--publish`: `[[IP:][HOST]:]CONTAINER[/PROTOCOL]`, where ports may be ranges, or `target=80,published=8080`.
 * @throws Error with Docker's wording
 */
export function parsePublish(texts: readonly string[]): { readonly exposed: PortSet; readonly bindings: PortMap } {
  const exposed: PortSet = {};
  const bindings: PortMap = {};
  for (const text of texts) {
    const { ip, host, container, protocol } = parseOne(text.includes('=') ? standardForm(text) : text);
    const many = container.last > container.first;
    for (let at = 0; at <= container.last - container.first; at++) {
      const port = `${container.first + at}/${protocol}`;
      // A single port may be given a range to choose from.
      let hostPort = '';
      if (host) hostPort = many || host.first === host.last ? String(host.first + at) : `${host.first}-${host.last}`;
      exposed[port] = {};
      const list = bindings[port] ?? [];
      list.push({ HostIp: ip, HostPort: hostPort });
      bindings[port] = list;
    }
  }
  return { exposed, bindings };
}

/** Reads every `--expose`: `PORT[-PORT][/PROTOCOL]`. @throws Error */
export function parseExpose(texts: readonly string[]): PortSet {
  const exposed: PortSet = {};
  for (const text of texts) {
    if (text.includes(':')) throw new Error(`invalid port format for --expose: ${text}`);
    const [ports = '', protocol = 'tcp'] = text.split('/');
    const range = parseRange(ports);
    if (!range) {
      const reason = `strconv.ParseUint: parsing ${JSON.stringify(ports)}: invalid syntax`;
      throw new Error(`invalid range format for --expose: ${text}, error: ${reason}`);
    }
    for (let port = range.first; port <= range.last; port++) exposed[`${port}/${protocol.toLowerCase()}`] = {};
  }
  return exposed;
}

function parseOne(text: string) {
  const slash = text.lastIndexOf('/');
  const protocol = (slash < 0 ? 'tcp' : text.slice(slash + 1)).toLowerCase();
  const rest = slash < 0 ? text : text.slice(0, slash);
  const lastColon = rest.lastIndexOf(':');
  const containerText = rest.slice(lastColon + 1);
  const before = lastColon < 0 ? '' : rest.slice(0, lastColon);
  const hostColon = /^\[.*\]$/.test(before) ? -1 : before.lastIndexOf(':');
  const hostText = before.slice(hostColon + 1);
  const ip = hostColon < 0 ? '' : before.slice(0, hostColon).replace(/^\[(.*)\]$/, '$1');
  if (containerText === '') throw new Error(`no port specified: ${text}<empty>`);
  if (ip !== '' && !isIP(ip)) throw new Error(`invalid IP address: ${ip}`);
  if (!['tcp', 'udp', 'sctp'].includes(protocol)) throw new Error(`invalid proto: ${protocol}`);
  const container = parseRange(containerText);
  if (!container) throw new Error(`invalid containerPort: ${containerText}`);
  const host = hostText === '' ? undefined : parseRange(hostText);
  if (hostText !== '' && !host) throw new Error(`invalid hostPort: ${hostText}`);
  if (host && host.last - host.first !== container.last - container.first && container.first !== container.last) {
    throw new Error(`invalid ranges specified for container and host Ports: ${containerText} and ${hostText}`);
  }
  return { ip, host, container, protocol };
}

function parseRange(text: string): Range | undefined {
  const [, low = '', high = low] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  const [first, last] = [Number(low), Number(high)];
  return low === '' || last < first || last > 65535 ? undefined : { first, last };
}

/** `target=80,published=8080,protocol=udp` in the short form. */
function standardForm(text: string): string {
  const values = new Map(
    splitCsv(text).map(field => {
      const [key = '', value] = field.split('=');
      if (value === undefined || value === '')
        throw new Error(`invalid publish opts format (should be name=value but got '${field}')`);
      return [key, value];
    }),
  );
  const published = values.get('published');
  return `${published === undefined ? '' : `${published}:`}${values.get('target') ?? ''}/${values.get('protocol') ?? 'tcp'}`;
}
