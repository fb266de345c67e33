import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import { Code, questionEnd } from './message.ts';

const TIMEOUT_MS = 4000;
const PORT = 53;

/** The answer of the first upstream that knows one, else the first refusal; undefined when none answers at all. */
export async function forward(
  message: Buffer,
  upstreams: readonly string[],
  protocol: 'udp' | 'tcp',
  port = PORT,
  timeoutMs = TIMEOUT_MS,
): Promise<Buffer | undefined> {
  let refusal: Buffer | undefined;
  for (const upstream of upstreams) {
    const ask = protocol === 'udp' ? askByUdp : askByTcp;
    const reply = await ask(message, upstream, port, timeoutMs);
    if (!reply) continue;
    // One that cannot say does not speak for the next, as in dockerd.
    const code = reply.readUInt8(3) & 0x0f;
    if (code !== Code.serverFailure && code !== Code.refused) return reply;
    refusal ??= reply;
  }
  return refusal;
}

/** The number of the question and its name, as far as the answer repeats them, must be ours. */
function isReplyTo(message: Buffer, reply: Buffer): boolean {
  if (reply.length < 12 || reply.readUInt16BE(0) !== message.readUInt16BE(0)) return false;
  if ((reply.readUInt8(2) & 0x80) === 0) return false;
  if (reply.readUInt16BE(4) === 0) return true;
  const end = questionEnd(message);
  return (
    end <= reply.length &&
    message.toString('latin1', 12, end).toLowerCase() === reply.toString('latin1', 12, end).toLowerCase()
  );
}

/** A socket a question: the kernel chooses its port, so that nobody can guess where an answer would be taken. */
function askByUdp(message: Buffer, upstream: string, port: number, timeoutMs: number): Promise<Buffer | undefined> {
  return new Promise(resolve => {
    const socket = createSocket(isIPv6(upstream) ? 'udp6' : 'udp4');
    const end = (reply?: Buffer): void => {
      clearTimeout(timer);
      socket.removeAllListeners('message');
      socket.close();
      resolve(reply);
    };
    const timer = setTimeout(end, timeoutMs);
    socket.once('error', () => end());
    socket.on('message', reply => {
      if (isReplyTo(message, reply)) end(reply);
    });
    // Connected: only the upstream can answer, and a port that nobody listens on is heard of at once.
    socket.connect(port, upstream, () => socket.send(message));
  });
}

function askByTcp(message: Buffer, upstream: string, port: number, timeoutMs: number): Promise<Buffer | undefined> {
  return new Promise(resolve => {
    const socket = connect({ host: upstream, port });
    let got: Buffer = Buffer.alloc(0);
    const end = (reply?: Buffer): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(reply);
    };
    const timer = setTimeout(end, timeoutMs);
    socket.once('error', () => end());
    socket.once('close', () => end());
    socket.on('data', chunk => {
      got = Buffer.concat([got, chunk]);
      if (got.length < 2 || got.length < 2 + got.readUInt16BE(0)) return;
      const reply = got.subarray(2, 2 + got.readUInt16BE(0));
      end(isReplyTo(message, reply) ? reply : undefined);
    });
    socket.write(Buffer.concat([Buffer.of(message.length >>> 8, message.length & 255), message]));
  });
}
