import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Engine } from '@gantry/engine';
import { createApiServer } from '../http/server.ts';

export type Answer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
};

export type Served = AsyncDisposable & {
  readonly path: string;
  ask(method: string, path: string, options?: { body?: string; headers?: Record<string, string> }): Promise<Answer>;
  /** A raw connection, for what no client of HTTP would send. */
  dial(): Promise<Socket>;
};

/** Serves an engine on a unix socket of its own until it is disposed. */
export async function serve(engine: Engine): Promise<Served> {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-api-'));
  const path = join(directory, 'api.sock');
  const server = createApiServer(engine);
  server.listen(path);
  await once(server, 'listening');
  return {
    path,
    ask: (method, url, options) => ask(path, method, url, options),
    dial: async () => {
      const socket = connect({ path, allowHalfOpen: true });
      await once(socket, 'connect');
      return socket;
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** One request to a unix socket. */
export function ask(
  socketPath: string,
  method: string,
  path: string,
  { body, headers = {} }: { body?: string; headers?: Record<string, string> } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, method, path, headers, agent: false }, response => {
      const chunks: Buffer[] = [];
      response.on('data', chunk => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString(),
        }),
      );
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

/** Everything that a connection sends until it ends. */
export async function readAll(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
