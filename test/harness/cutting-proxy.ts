import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export type CuttingProxy = AsyncDisposable & {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
};

/**
 * Passes connections on to `host`. The first `cuts` connections that carry more than `afterBytes` from the client are
 * broken at that byte; what came before has been passed on.
 */
export async function startCuttingProxy(host: string, afterBytes: number, cuts: number): Promise<CuttingProxy> {
  let left = cuts;
  const open = new Set<Socket>();
  const server = createServer(client => {
    const [address, port] = host.split(':');
    const registry = connect(Number(port), address);
    let received = 0;
    const end = (): void => {
      client.destroy();
      registry.destroy();
    };
    for (const socket of [client, registry]) {
      open.add(socket);
      socket.on('error', end).once('close', () => {
        open.delete(socket);
        end();
      });
    }
    registry.pipe(client);
    client.on('data', bytes => {
      received += bytes.length;
      if (received <= afterBytes || left === 0) {
        registry.write(bytes);
        return;
      }
      left -= 1;
      client.pause();
      // Passed on to its end, so that the registry has it when the connection breaks.
      registry.end(bytes.subarray(0, bytes.length - (received - afterBytes)), end);
    });
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await new Promise(resolve => server.close(resolve));
    },
  };
}
