import { ConnectionError } from './errors.ts';

/** Where an engine listens. */
export type Host =
  | { readonly kind: 'unix'; readonly path: string; readonly text: string }
  | {
      readonly kind: 'tcp';
      readonly hostname: string;
      readonly port: number;
      /** Put before every request path, without a final slash. */
      readonly basePath: string;
      readonly tls: TlsFiles | undefined;
      readonly text: string;
    };

/** Directory of `ca.pem`, `cert.pem` and `key.pem`; `verify` false accepts any server. */
export type TlsFiles = { readonly directory: string; readonly verify: boolean };

/**
 * Reads a host as DOCKER_HOST has it: `unix://PATH`, `tcp://HOST[:PORT][/BASE]`, `http://`, `https://`, or a bare `HOST:PORT`.
 * The port is 2375 by default, 2376 with TLS.
 * @throws Error with Docker's wording when the text is neither
 */
export function parseHost(text: string, tls?: TlsFiles): Host {
  const trimmed = text.trim();
  const [, scheme = 'tcp', rest = ''] = /^(?:([a-z]+):\/\/)?(.*)$/s.exec(trimmed) ?? [];
  if (scheme === 'unix') {
    const path = rest === '' ? '/var/run/docker.sock' : rest;
    return { kind: 'unix', path, text: `unix://${path}` };
  }
  if (scheme !== 'tcp' && scheme !== 'http' && scheme !== 'https') {
    throw new Error(`invalid bind address format: ${trimmed}`);
  }
  const secure = scheme === 'https' ? (tls ?? { directory: '', verify: true }) : tls;
  const slash = rest.indexOf('/');
  const authority = slash < 0 ? rest : rest.slice(0, slash);
  const basePath = slash < 0 ? '' : rest.slice(slash).replace(/\/+$/, '');
  const match = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d*))?$/.exec(authority);
  if (!match) throw new Error(`invalid bind address format: ${trimmed}`);
  const hostname = match[1] ?? match[2] ?? '';
  const port = match[3] ? Number(match[3]) : secure ? 2376 : 2375;
  if (port > 65535) throw new Error(`invalid bind address format: ${trimmed}`);
  return {
    kind: 'tcp',
    hostname: hostname === '' ? '127.0.0.1' : hostname,
    port,
    basePath,
    tls: secure,
    text: trimmed,
  };
}

/** The error for a host that could not be reached, with the text that Docker's own command prints. */
export function connectionError(host: Host, error: unknown): ConnectionError {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
  const reason = error instanceof Error ? error.message : String(error);
  if (code === 'EACCES') {
    return new ConnectionError(
      host.text,
      code,
      `permission denied while trying to connect to the Docker daemon socket at ${host.text}`,
      error,
    );
  }
  if (code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'ETIMEDOUT') {
    return new ConnectionError(
      host.text,
      code,
      `Cannot connect to the Docker daemon at ${host.text}. Is the docker daemon running?`,
      error,
    );
  }
  return new ConnectionError(host.text, code, `error during connect: ${reason}`, error);
}
