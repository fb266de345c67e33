import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import type { TlsFiles } from './host.ts';

/** Opens a TLS connection with the client certificate of `files.directory`, as DOCKER_CERT_PATH lays it out. */
export async function connectTls(hostname: string, port: number, files: TlsFiles): Promise<TLSSocket> {
  const read = async (name: string) =>
    files.directory === '' ? undefined : await readFile(join(files.directory, name));
  const [ca, cert, key] = await Promise.all([read('ca.pem'), read('cert.pem'), read('key.pem')]);
  return connect({ host: hostname, port, servername: hostname, ca, cert, key, rejectUnauthorized: files.verify });
}
