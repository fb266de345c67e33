import { lookup } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { isIP, isIPv4 } from 'node:net';
import { join } from 'node:path';
import { invalidParameter, messageOf } from '@gantry/errors';
import type { Reference } from '@gantry/oci';
import {
  CERTIFICATE_DIRECTORIES,
  readCertificates,
  registryFolder,
  type TlsFiles,
  withAuthorities,
} from './certificates.ts';
import { type HostEntry, readHostsFile } from './hosts-file.ts';
import { isInNetwork, type ProxySettings } from './proxy.ts';

/** One place where a repository may be fetched from, or sent to. */
export type Endpoint = {
  /** The root of its API, `.../v2/` in most cases. Ends with a slash. */
  readonly url: URL;
  readonly verifyCertificates: boolean;
  readonly isMirror: boolean;
  /** Whether it may be asked what a tag is; content alone otherwise. */
  readonly resolves: boolean;
  /** Certificates for its host. */
  readonly tls?: TlsFiles | undefined;
  /** Sent with each request to its own host. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly connectTimeoutMs?: number | undefined;
  readonly proxies?: ProxySettings | undefined;
};

export type RegistryOptions = {
  readonly insecure: readonly string[];
  /** Of Docker Hub. */
  readonly mirrors: readonly string[];
  readonly proxies?: ProxySettings;
  /** How often a transfer that breaks is tried; 5 when not given. */
  readonly maxDownloadAttempts?: number;
  /** Folders with one folder a registry: certificates and hosts.toml. */
  readonly directories?: readonly string[];
};

const HUB = 'docker.io';
const HUB_HOST = 'registry-1.docker.io';

/**
 * Where to look for a repository, in order: the mirrors that the registry's hosts.toml lists, or for Docker Hub those of the
 * daemon's configuration, then the registry itself; an insecure one by TLS without verification, then in plain HTTP.
 * Loopback is insecure by itself, as in Docker.
 * @param wanted a host that may not do this is left out
 * @throws invalidParameter for a hosts.toml or certificates that cannot be used
 */
export async function findEndpoints(
  { domain }: Pick<Reference, 'domain'>,
  options: RegistryOptions,
  wanted: 'pull' | 'push',
): Promise<Endpoint[]> {
  const { insecure, mirrors, proxies, directories = CERTIFICATE_DIRECTORIES } = options;
  const at = async (text: string, verifyCertificates: boolean, isMirror: boolean): Promise<Endpoint> => {
    const root = new URL(text.endsWith('/') ? text : `${text}/`);
    const tls = root.protocol === 'https:' ? await readCertificates(root.host, directories) : undefined;
    return { url: new URL('v2/', root), verifyCertificates, isMirror, resolves: true, tls, proxies };
  };
  const folder = await registryFolder(domain, directories);
  const hosts = folder === undefined ? undefined : await readHostsFile(folder);
  if (hosts && (hosts.mirrors.length > 0 || hosts.server)) {
    const entries = hosts.mirrors.filter(entry => entry.capabilities.has(wanted));
    const listed = await Promise.all(entries.map(entry => ofEntry(entry, true, options)));
    const isOpen = hosts.server === undefined || hosts.server.capabilities.has(wanted);
    if (hosts.server) return isOpen ? [...listed, await ofEntry(hosts.server, false, options)] : listed;
    return [...listed, ...(await registryItself(domain, insecure, at))];
  }
  const listed =
    domain === HUB && wanted === 'pull'
      ? await Promise.all(
          mirrors.map(async mirror => at(mirror, !(await isInsecureHost(new URL(mirror).host, insecure)), true)),
        )
      : [];
  return [...listed, ...(await registryItself(domain, insecure, at))];
}

async function registryItself(
  domain: string,
  insecure: readonly string[],
  at: (text: string, verifyCertificates: boolean, isMirror: boolean) => Promise<Endpoint>,
): Promise<Endpoint[]> {
  if (domain === HUB) return [await at(`https://${HUB_HOST}`, true, false)];
  if (!(await isInsecureHost(domain, insecure))) return [await at(`https://${domain}`, true, false)];
  return [await at(`https://${domain}`, false, false), await at(`http://${domain}`, false, false)];
}

async function ofEntry(entry: HostEntry, isMirror: boolean, options: RegistryOptions): Promise<Endpoint> {
  const { url, skipVerify, overridePath, capabilities, headers, connectTimeoutMs } = entry;
  const { insecure, proxies, directories = CERTIFICATE_DIRECTORIES } = options;
  const root = new URL(url.href.endsWith('/') ? url.href : `${url.href}/`);
  const isOwnHub = root.host === HUB || root.host === 'index.docker.io';
  if (isOwnHub) root.host = HUB_HOST;
  const common = root.protocol === 'https:' ? await readCertificates(root.host, directories) : undefined;
  return {
    url: overridePath ? root : new URL('v2/', root),
    // Who writes such a file for a host of the loopback means it.
    verifyCertificates: !skipVerify && !isListed(root.host, insecure),
    isMirror,
    resolves: capabilities.has('resolve'),
    tls: root.protocol === 'https:' ? await tlsOf(entry, common) : undefined,
    headers,
    connectTimeoutMs,
    proxies,
  };
}

async function tlsOf({ authorities, clients }: HostEntry, common: TlsFiles | undefined): Promise<TlsFiles | undefined> {
  if (authorities.length === 0 && clients.length === 0) return common;
  const read = async (path: string): Promise<Buffer> => {
    try {
      return await readFile(path);
    } catch (error) {
      throw invalidParameter(`failed to load a certificate of hosts.toml: ${messageOf(error)}`);
    }
  };
  const ca = await Promise.all(authorities.map(read));
  return {
    ...common,
    ...(ca.length === 0 ? {} : { ca: withAuthorities(ca) }),
    ...(clients.length === 0
      ? {}
      : {
          cert: await Promise.all(clients.map(({ certificate }) => read(certificate))),
          key: await Promise.all(clients.map(({ key }) => read(key))),
        }),
  };
}

/** The mirrors and the security of the registries that have a folder, for `info`. */
export async function configuredRegistries({
  directories = CERTIFICATE_DIRECTORIES,
}: Pick<RegistryOptions, 'directories'>): Promise<{ name: string; mirrors: string[] }[]> {
  const { readdir } = await import('node:fs/promises');
  const found = new Map<string, string[]>();
  for (const directory of directories) {
    for (const name of await readdir(directory).catch(() => [])) {
      const hosts = await readHostsFile(join(directory, name)).catch(() => undefined);
      if (hosts && !found.has(name))
        found.set(
          name,
          hosts.mirrors.map(({ url }) => url.href),
        );
    }
  }
  return [...found].map(([name, mirrors]) => ({ name, mirrors })).filter(({ mirrors }) => mirrors.length > 0);
}

/** As {@link isInsecure}, with the addresses of a name where a network is listed: as dockerd, it is looked up. */
async function isInsecureHost(host: string, insecure: readonly string[]): Promise<boolean> {
  if (isInsecure(host, insecure)) return true;
  const name = nameOf(host);
  if (isIP(name) !== 0 || !insecure.some(entry => entry.includes('/'))) return false;
  const addresses = await lookup(name, { all: true }).catch(() => []);
  return addresses.some(({ address }) => isInsecure(address, insecure));
}

const nameOf = (host: string): string =>
  host.startsWith('[') ? host.slice(1, host.indexOf(']')) : isIP(host) === 6 ? host : host.replace(/:\d+$/, '');

/** Tells whether a registry host (with port) is on the loopback, or listed: by name, name and port, or network. */
export function isInsecure(host: string, insecure: readonly string[]): boolean {
  const name = nameOf(host);
  return (
    name === 'localhost' || name === '::1' || (isIPv4(name) && name.startsWith('127.')) || isListed(host, insecure)
  );
}

/** Tells whether a registry host (with port) is listed by name, name and port, or network. */
export function isListed(host: string, insecure: readonly string[]): boolean {
  const name = nameOf(host);
  return insecure
    .map(entry => entry.replace(/^https?:\/\//, '').replace(/\/$/, ''))
    .some(entry => (entry.includes('/') ? isInNetwork(name, entry) : entry === host || entry === name));
}
