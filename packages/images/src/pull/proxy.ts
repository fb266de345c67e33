import { BlockList, isIP, isIPv4 } from 'node:net';
import { invalidParameter } from '@gantry/errors';

/** Where requests go through, by the scheme of what is asked; empty for none. */
export type ProxySettings = { readonly http: string; readonly https: string; readonly no: string };

/**
 * The proxy for a URL, undefined when it is asked directly. As in Go: loopback never goes through a proxy, and an entry of
 * the list of exceptions is `*`, an address, a network, a domain with all below it, or `.DOMAIN` for those below alone; each
 * but the first may name a port.
 * @throws invalidParameter for a proxy that does not speak HTTP
 */
export function proxyFor(url: URL, { http, https, no }: ProxySettings): URL | undefined {
  const text = url.protocol === 'https:' ? https : http;
  if (text === '' || isException(url, no)) return undefined;
  const address = /^[a-z0-9]+:\/\//i.test(text) ? text : `http://${text}`;
  const proxy = URL.canParse(address) ? new URL(address) : undefined;
  if (!proxy || (proxy.protocol !== 'http:' && proxy.protocol !== 'https:')) {
    const shown = text.replace(/\/\/[^@/]*@/, '//');
    throw invalidParameter(`the proxy ${shown} cannot be used: only http and https proxies are supported`, {
      hint: 'set http-proxy and https-proxy of the daemon, or HTTP_PROXY and HTTPS_PROXY of its environment',
    });
  }
  return proxy;
}

function isException(url: URL, list: string): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  if (host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'))) return true;
  return list
    .split(',')
    .map(entry => entry.trim().toLowerCase())
    .filter(entry => entry !== '')
    .some(entry => matches(entry, host, port));
}

function matches(entry: string, host: string, port: string): boolean {
  if (entry === '*') return true;
  if (entry.includes('/')) return isInNetwork(host, entry);
  const [, bracketed, plain = bracketed ?? '', ownPort] = /^(?:\[([^\]]*)\]|(.*?))(?::(\d+))?$/.exec(entry) ?? [];
  if (isIP(entry)) return entry === host;
  if (ownPort !== undefined && ownPort !== port) return false;
  if (isIP(plain)) return plain === host;
  const domain = plain.replace(/^\*/, '');
  return domain.startsWith('.') ? host.endsWith(domain) : host === domain || host.endsWith(`.${domain}`);
}

/** Tells whether an address lies in a network, as `10.0.0.0/8` or `fd00::/8`; false for anything that is no such. */
export function isInNetwork(address: string, network: string): boolean {
  const [base = '', bits = ''] = network.split('/');
  const family = isIP(base);
  if (family === 0 || isIP(address) === 0 || !/^\d{1,3}$/.test(bits) || Number(bits) > (family === 4 ? 32 : 128))
    return false;
  const list = new BlockList();
  list.addSubnet(base, Number(bits), family === 4 ? 'ipv4' : 'ipv6');
  return list.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6');
}
