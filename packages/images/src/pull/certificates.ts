import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { invalidParameter } from '@gantry/errors';

// Not imported, as in http.ts.
const tls = process.getBuiltinModule('node:tls');

/** What a registry's TLS connections use beside the machine's own authorities. */
export type TlsFiles = {
  readonly ca?: string[];
  readonly cert?: Buffer[];
  readonly key?: Buffer[];
};

/** Folders with one folder a registry host. Ours first: a host that has one there is not looked for in Docker's. */
export const CERTIFICATE_DIRECTORIES: readonly string[] = ['/etc/gantry/certs.d', '/etc/docker/certs.d'];

/**
 * Reads the certificates of a registry host (with its port) from certs.d: `*.crt` are authorities that are trusted too,
 * `NAME.cert` with `NAME.key` is a certificate to show.
 * @throws invalidParameter when one of a pair is missing
 * @see "Verify repository client with certificates" of Docker's manual
 */
export async function readCertificates(
  host: string,
  directories: readonly string[] = CERTIFICATE_DIRECTORIES,
): Promise<TlsFiles | undefined> {
  const folder = await registryFolder(host, directories);
  if (folder !== undefined) {
    const names = await readdir(folder);
    const named = (extension: string): string[] => names.filter(name => name.endsWith(extension)).sort();
    const read = (name: string): Promise<Buffer> => readFile(join(folder, name));
    const authorities = await Promise.all(named('.crt').map(read));
    const certificates = named('.cert');
    const keys = named('.key');
    const beside = (name: string, from: string, to: string): string => `${name.slice(0, -from.length)}${to}`;
    for (const name of certificates) {
      const key = beside(name, '.cert', '.key');
      if (!names.includes(key)) {
        throw invalidParameter(
          `missing key ${key} for client certificate ${name}. CA certificates must use the extension .crt`,
        );
      }
    }
    for (const name of keys) {
      const certificate = beside(name, '.key', '.cert');
      if (!names.includes(certificate)) {
        throw invalidParameter(`missing client certificate ${certificate} for key ${name}`);
      }
    }
    return {
      ...(authorities.length === 0 ? {} : { ca: withAuthorities(authorities) }),
      ...(certificates.length === 0
        ? {}
        : {
            cert: await Promise.all(certificates.map(read)),
            key: await Promise.all(certificates.map(name => read(beside(name, '.cert', '.key')))),
          }),
    };
  }
  return undefined;
}

/** The machine's own authorities and these. */
export function withAuthorities(pems: readonly Buffer[]): string[] {
  return [...tls.getCACertificates('default'), ...pems.map(pem => pem.toString('latin1'))];
}

/**
 * The folder of a registry (with its port) in the first directory that has one: `HOST:PORT`, `HOST_PORT_` as containerd
 * writes it where a colon may not be, or `_default` for all that have none.
 */
export async function registryFolder(host: string, directories: readonly string[]): Promise<string | undefined> {
  // What is no host names no folder.
  if (!/^[A-Za-z0-9.:_[\]-]+$/.test(host) || host.startsWith('.')) return undefined;
  const names = [host, host.replace(/:(\d+)$/, '_$1_'), '_default'];
  for (const name of new Set(names)) {
    for (const directory of directories) {
      const folder = join(directory, name);
      const isThere = await stat(folder).then(
        status => status.isDirectory(),
        () => false,
      );
      if (isThere) return folder;
    }
  }
  return undefined;
}
