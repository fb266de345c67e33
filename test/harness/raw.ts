import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** Sends bytes to a unix socket as they are, and gives all that comes back until the end or `timeoutMs`. */
export function raw(path: string, bytes: string | Buffer, timeoutMs = 10_000): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect(path);
    const timer = setTimeout(() => socket.destroy(), timeoutMs);
    socket.on('data', chunk => chunks.push(chunk));
    // A server that refuses early may reset what it did not read.
    socket.on('error', error => {
      if (chunks.length === 0 && (error as NodeJS.ErrnoException).code === 'ENOENT') reject(error);
    });
    socket.once('close', () => {
      clearTimeout(timer);
      resolve(Buffer.concat(chunks).toString());
    });
    socket.write(bytes);
  });
}

/** A connection that has sent `bytes`, and its first answer when `wait`. */
export function open(path: string, bytes: string | Buffer, wait = true): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('error', reject);
    if (wait) socket.once('data', () => resolve(socket));
    socket.write(bytes, () => {
      if (!wait) resolve(socket);
    });
  });
}

/** A request with its body as HTTP/1.1 text. */
export function request(method: string, path: string, body?: string, headers: readonly string[] = []): string {
  const length = body === undefined ? [] : [`Content-Length: ${Buffer.byteLength(body)}`];
  const type = body === undefined ? [] : ['Content-Type: application/json'];
  return [`${method} ${path} HTTP/1.1`, 'Host: docker', ...type, ...length, ...headers, '', body ?? ''].join('\r\n');
}

/** Open descriptors of a process, as what they lead to; without the event loops of threads, which come and go. */
export function descriptors(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap(fd => {
    try {
      const target = readlinkSync(`/proc/${pid}/fd/${fd}`);
      return /^(anon_inode|pipe):/.test(target) ? [] : [target];
    } catch {
      return [];
    }
  });
}

/** Anonymous memory of a process in bytes. */
export function anonymousBytes(pid: number): number {
  return 1024 * Number(/^RssAnon:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

/** The parent of a process. */
export function parentOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

/** Waits until `check` gives undefined; throws what it gives after `timeoutMs`. */
export async function until(
  check: () => Promise<string | undefined> | string | undefined,
  timeoutMs = 10_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const lacks = await check();
    if (lacks === undefined) return;
    if (performance.now() > deadline) throw new Error(`after ${timeoutMs} ms still: ${lacks}`);
    await delay(20);
  }
}
