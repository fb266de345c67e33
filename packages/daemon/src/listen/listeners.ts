import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Server as HttpServer } from 'node:http';
import type { Server, Socket } from 'node:net';
import type { TlsOptions } from 'node:tls';
import { systemError } from '@gantry/errors';
import type { DaemonConfig } from '../config/config.ts';
import { ConfigError } from '../config/values.ts';
import type { Log } from '../log.ts';
import { type Host, parseHost } from './host.ts';
import { listenUnix } from './unix-socket.ts';

/** The first descriptor that systemd passes. */
const firstPassed = 3;

export type Listeners = AsyncDisposable;

/** Reads the hosts of the configuration, before anything is opened. @throws ConfigError */
export function readHosts(config: DaemonConfig): readonly Host[] {
  return config.hosts.map(host => parseHost(host, config.tls.enabled));
}

/** The certificates of TLS listeners; undefined without TLS. @throws ConfigError when they cannot be read */
export function readTls({ tls }: DaemonConfig): TlsOptions | undefined {
  if (!tls.enabled) return undefined;
  const read = (path: string): Buffer => {
    try {
      return readFileSync(path);
    } catch (error) {
      throw new ConfigError(`could not read TLS file ${path}: ${(error as Error).message}`);
    }
  };
  return {
    cert: read(tls.cert),
    key: read(tls.key),
    minVersion: 'TLSv1.2',
    ...(tls.verify ? { ca: read(tls.ca), requestCert: true, rejectUnauthorized: true } : {}),
  };
}

/**
 * Serves the API on every host.
 * @param createServer makes one HTTP server, with TLS when options are given
 */
export async function openListeners(
  hosts: readonly Host[],
  config: DaemonConfig,
  createServer: (tls: TlsOptions | undefined) => HttpServer,
  log: Log,
): Promise<Listeners> {
  const tls = readTls(config);
  const servers: HttpServer[] = [];
  const sockets = new Set<Socket>();
  const cleanups: Disposable[] = [];
  const close = async (): Promise<void> => {
    for (const cleanup of cleanups) cleanup[Symbol.dispose]();
    await Promise.all(
      servers.map(async server => {
        if (!server.listening) return;
        const closed = once(server, 'close');
        server.close();
        server.closeAllConnections();
        // Those that speak HTTP no longer (a WebSocket, a client kept for the next start) the server does not know.
        for (const socket of sockets) socket.destroy();
        await closed;
      }),
    );
  };
  const add = (options: TlsOptions | undefined): HttpServer => {
    const server = createServer(options);
    server.on('error', error => log.error('a listener failed', error));
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    });
    servers.push(server);
    return server;
  };
  try {
    for (const host of hosts) {
      if (host.kind === 'unix') {
        cleanups.push(await listenUnix(add(undefined), host.path, config.group));
        log.info(`API listen on ${host.path}`);
      } else if (host.kind === 'tcp') {
        if (!config.tls.verify) warnInsecure(host.host, host.port, log);
        await listen(add(tls), { host: host.host, port: host.port });
        log.info(`API listen on ${host.host}:${host.port}`);
      } else {
        for (const descriptor of passedDescriptors(host.index)) {
          await listen(add(undefined), { fd: descriptor });
          log.info(`API listen on descriptor ${descriptor}`);
        }
      }
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { [Symbol.asyncDispose]: close };
}

async function listen(server: Server, where: { host: string; port: number } | { fd: number }): Promise<void> {
  const listening = once(server, 'listening');
  server.listen({ ...where, backlog: 512 });
  await listening;
}

/** @throws system when systemd passed none */
function passedDescriptors(index: number | undefined): readonly number[] {
  const count = Number(process.env.LISTEN_PID) === process.pid ? Number(process.env.LISTEN_FDS ?? 0) : 0;
  const all = Array.from({ length: count }, (_, number) => firstPassed + number);
  const wanted =
    index === undefined ? all : all.filter(descriptor => descriptor === index || descriptor === firstPassed + index);
  if (wanted.length === 0)
    throw systemError('no sockets found via socket activation: make sure the service was started by systemd');
  return wanted.slice(0, index === undefined ? wanted.length : 1);
}

function warnInsecure(host: string, port: number, log: Log): void {
  log.warn(`binding to ${host}:${port} without --tlsverify: whoever reaches this port is root on this machine`);
}
