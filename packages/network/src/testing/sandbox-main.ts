import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { netlink, PacketSocket } from '@gantry/linux';
import type { Step } from '@gantry/runtime';
import { runSteps } from './executor.ts';
import type { SandboxRequest } from './sandbox.ts';

/** The process inside a sandbox: does what the test asks for over its IPC channel. */
process.on('message', (message: { id: number; request: SandboxRequest }) => {
  handle(message.request).then(
    result => process.send?.({ id: message.id, result }),
    (error: unknown) =>
      process.send?.({ id: message.id, error: error instanceof Error ? error.message : String(error) }),
  );
});
process.on('disconnect', () => process.exit());
process.send?.('ready');

async function handle(request: SandboxRequest): Promise<unknown> {
  switch (request.kind) {
    case 'steps':
      runSteps(request.steps as Step[]);
      return undefined;
    case 'serveTcp':
      return serveTcp(request.address, request.port);
    case 'serveUdp':
      return serveUdp(request.address, request.port);
    case 'callTcp':
      return callTcp(request.address, request.port, request.timeoutMs);
    case 'watch':
      return watch(request.link);
    case 'sendFrame':
      packets?.send(request.frame);
      return undefined;
    case 'routes':
      return routes();
    case 'sendTo':
      return sendTo(request.address, request.port, request.text);
    case 'await':
      return awaitFrame(request.text, request.timeoutMs);
    case 'callUdp':
      return callUdp(request.address, request.port, request.timeoutMs, request.fromPort);
  }
}

function routes(): netlink.Route[] {
  using socket = new netlink.NetlinkSocket(netlink.NetlinkProtocol.route);
  const found = socket.request([netlink.getRoutes(4)]).map(netlink.parseRoute);
  return found.filter(route => route !== undefined);
}

function sendTo(address: string, port: number, text: string): Promise<void> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  return new Promise<void>((resolve, reject) => {
    socket.send(text, port, address, error => (error ? reject(error) : resolve()));
  }).finally(() => socket.close());
}

let packets: PacketSocket | undefined;
const words = new Set<string>();

function watch(name: string): string {
  using socket = new netlink.NetlinkSocket(netlink.NetlinkProtocol.route);
  const link = socket.request([netlink.getLink({ name })]).map(netlink.parseLink)[0];
  if (!link) throw new Error(`no link ${name}`);
  packets?.[Symbol.dispose]();
  words.clear();
  packets = new PacketSocket(link.index);
  return link.macAddress ?? '';
}

async function awaitFrame(text: string, timeoutMs: number): Promise<string[]> {
  for (const deadline = performance.now() + timeoutMs; ; await delay(5)) {
    for (const frame of packets?.receive() ?? []) {
      // At the end, where the texts of tests are: addresses and checksums of other frames look like words, too.
      for (const [word] of frame.toString('latin1').matchAll(/#[a-z-]{2,}$/g)) words.add(word);
    }
    if (words.has(text)) return [...words];
    if (performance.now() > deadline) throw new Error('timeout');
  }
}

/** Answers each connection with the address that it comes from. */
function serveTcp(address: string, port: number): Promise<void> {
  const server = createServer(socket => {
    socket.on('error', () => {});
    socket.end(`${socket.remoteAddress}`);
  });
  return new Promise((resolve, reject) => {
    server.on('error', reject);
    server.listen(port, address, resolve);
  });
}

function serveUdp(address: string, port: number): Promise<void> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  socket.on('message', (_, from) => socket.send(from.address, from.port, from.address));
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.bind(port, address, resolve);
  });
}

function callTcp(address: string, port: number, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port, timeout: timeoutMs });
    let text = '';
    socket.on('data', data => {
      text += data;
    });
    socket.on('error', reject);
    socket.on('timeout', () => {
      socket.destroy();
      reject(new Error('timeout'));
    });
    socket.on('end', () => resolve(text));
  });
}

function callUdp(address: string, port: number, timeoutMs: number, fromPort: number): Promise<string> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  return new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('timeout')), timeoutMs);
    socket.on('error', reject);
    socket.on('message', data => {
      clearTimeout(timer);
      resolve(`${data}`);
    });
    socket.bind(fromPort, () => socket.send('hello', port, address));
  }).finally(() => socket.close());
}
