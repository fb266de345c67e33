import { ConfigError } from '../config/values.ts';

/** Where the API is served. */
export type Host =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  /** Sockets that systemd opened: all of them, or one by its number among them. */
  | { readonly kind: 'fd'; readonly index: number | undefined };

const plainPort = 2375;
const tlsPort = 2376;

/**
 * Reads a host as dockerd does: `unix:///path`, `tcp://host:port`, `fd://`, `host:port`.
 * @throws ConfigError
 */
export function parseHost(text: string, tls: boolean): Host {
  const trimmed = text.trim();
  const invalid = (): Error => new ConfigError(`unable to parse docker host \`${text}\``);
  const scheme = trimmed.indexOf('://');
  const protocol = scheme < 0 ? 'tcp' : trimmed.slice(0, scheme);
  const address = scheme < 0 ? trimmed : trimmed.slice(scheme + 3);
  if (protocol === 'unix') return { kind: 'unix', path: address === '' ? '/run/gantry.sock' : address };
  if (protocol === 'fd') {
    if (address !== '' && !/^\d+$/.test(address)) throw invalid();
    return { kind: 'fd', index: address === '' ? undefined : Number(address) };
  }
  if (protocol !== 'tcp') throw new ConfigError(`invalid bind address (${text}): unsupported proto '${protocol}'`);
  const [, name = '', port] = /^(\[[0-9a-fA-F:.%]+\]|[^:/]*)(?::(\d+))?\/?$/.exec(address) ?? [undefined, undefined];
  if (name === '' && port === undefined && address !== '') throw invalid();
  if (port !== undefined && Number(port) > 65535) throw invalid();
  return {
    kind: 'tcp',
    host: name === '' ? (address === '' ? '127.0.0.1' : '0.0.0.0') : name.replace(/^\[|\]$/g, ''),
    port: port === undefined ? (tls ? tlsPort : plainPort) : Number(port),
  };
}
