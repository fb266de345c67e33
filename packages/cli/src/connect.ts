import { ConnectionError, EngineClient, type Host, type Ping, parseHost, type TlsFiles } from '@gantry/client';
import { ExitError } from './errors.ts';
import type { Values } from './flags/parse.ts';
import { VERSION } from './version.ts';

const DEFAULT_SOCKET = '/run/gantry.sock';
export const DEFAULT_HOST = `unix://${DEFAULT_SOCKET}`;

/** The host of `-H`, GANTRY_HOST or DOCKER_HOST; undefined when none is named. */
export function chosenHost(globals: Values, env: NodeJS.ProcessEnv = process.env): Host | undefined {
  const hosts = globals.list('host');
  if (hosts.length > 1) throw new ExitError(1, 'Specify only one -H');
  const host = hosts[0] || env.GANTRY_HOST || env.DOCKER_HOST;
  const secure =
    globals.on('tls') || globals.on('tlsverify') || Boolean(env.DOCKER_TLS_VERIFY) || Boolean(env.DOCKER_TLS);
  const tls: TlsFiles | undefined = secure
    ? {
        directory: env.DOCKER_CERT_PATH || env.DOCKER_CONFIG || `${env.HOME ?? '/root'}/.docker`,
        verify: globals.on('tlsverify') || Boolean(env.DOCKER_TLS_VERIFY),
      }
    : undefined;
  return host ? parseHost(host, tls) : undefined;
}

/** Connects to the chosen engine. Where none answers on the default socket, root starts one. @throws ConnectionError */
export async function connect(globals: Values): Promise<EngineClient> {
  const host = chosenHost(globals) ?? parseHost(DEFAULT_HOST);
  const open = () => {
    const apiVersion = process.env.DOCKER_API_VERSION;
    return new EngineClient(host, {
      userAgent: `Gantry-Client/${VERSION} (linux)`,
      ...(apiVersion ? { apiVersion } : {}),
    });
  };
  const client = open();
  try {
    warnOfOlderDaemon(await client.negotiate());
    return client;
  } catch (error) {
    const absent = error instanceof ConnectionError && (error.code === 'ENOENT' || error.code === 'ECONNREFUSED');
    const standard = host.kind === 'unix' && host.path === DEFAULT_SOCKET;
    if (!absent || !standard || process.getuid?.() !== 0) throw error;
    const { startDaemon } = await import('./daemon-start.ts');
    await startDaemon(host.path);
    const second = open();
    await second.negotiate();
    return second;
  }
}

/** An engine that is older than this command line says so with its `Gantry-Version` header. */
function warnOfOlderDaemon(ping: Ping): void {
  const theirs = ping.headers.get('gantry-version');
  if (theirs === undefined || !isOlder(theirs, VERSION)) return;
  process.stderr.write(
    `gantry: the running engine is version ${theirs}, this command is ${VERSION}: ` +
      'restart it with `gantry daemon --stop`; containers run on\n',
  );
}

/** Tells whether version `a` comes before `b`; what follows a hyphen is not compared. */
export function isOlder(a: string, b: string): boolean {
  const parts = (version: string) => version.replace(/^v/, '').split('-')[0]?.split('.').map(Number) ?? [];
  const [left, right] = [parts(a), parts(b)];
  for (let at = 0; at < Math.max(left.length, right.length); at++) {
    const difference = (left[at] ?? 0) - (right[at] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
