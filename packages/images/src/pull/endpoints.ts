import { isIPv4 } from 'node:net';
import type { Reference } from '@gantry/oci';
import { readCertificates, type TlsFiles } from './certificates.ts';

/** One place where a repository may be fetched from. */
export type Endpoint = {
  /** Ends with a slash. */
  readonly url: URL;
  readonly verifyCertificates: boolean;
  readonly isMirror: boolean;
  /** Certificates of certs.d for its host. */
  readonly tls?: TlsFiles | undefined;
};

export type RegistryOptions = { readonly insecure: readonly string[]; readonly mirrors: readonly string[] };

const HUB = 'docker.io';
const HUB_HOST = 'registry-1.docker.io';

/**
 * Where to look for a repository, in order: mirrors (of Docker Hub), then the registry itself; an insecure one by TLS
 * without verification, then in plain HTTP. Loopback is insecure by itself, as in Docker.
 */
export function endpointsOf({ domain }: Reference, { insecure, mirrors }: RegistryOptions): Endpoint[] {
  const at = (url: string, verifyCertificates: boolean, isMirror = false): Endpoint => ({
    url: new URL(url.endsWith('/') ? url : `${url}/`),
    verifyCertificates,
    isMirror,
  });
  if (domain === HUB) {
    const listed = mirrors.map(mirror => at(mirror, !isInsecure(new URL(mirror).host, insecure), true));
    return [...listed, at(`https://${HUB_HOST}`, true)];
  }
  if (!isInsecure(domain, insecure)) return [at(`https://${domain}`, true)];
  return [at(`https://${domain}`, false), at(`http://${domain}`, false)];
}

/** An endpoint with the certificates that the machine has for it. */
export async function withCertificates(endpoint: Endpoint): Promise<Endpoint> {
  if (endpoint.url.protocol !== 'https:') return endpoint;
  return { ...endpoint, tls: await readCertificates(endpoint.url.host) };
}

/** Tells whether a registry host (with port) is on the loopback, or listed: by name, name and port, or network. */
export function isInsecure(host: string, insecure: readonly string[]): boolean {
  const name = host.startsWith('[') ? host.slice(1, host.indexOf(']')) : host.replace(/:\d+$/, '');
  if (name === 'localhost' || name === '::1' || (isIPv4(name) && name.startsWith('127.'))) return true;
  return insecure.some(entry => {
    if (entry.includes('/')) return inNetwork(name, entry);
    return entry === host || entry === name;
  });
}

function inNetwork(address: string, network: string): boolean {
  const [base = '', bits = ''] = network.split('/');
  if (!isIPv4(address) || !isIPv4(base) || !/^\d+$/.test(bits) || Number(bits) > 32) return false;
  const number = (text: string): number => text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const size = 2 ** (32 - Number(bits));
  return Math.floor(number(address) / size) === Math.floor(number(base) / size);
}
