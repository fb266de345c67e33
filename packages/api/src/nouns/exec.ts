import type { ExecConfig } from '@gantry/engine';
import { invalidParameter, messageOf } from '@gantry/errors';
import { execOptions, execStartOptions } from '../documents/requests.ts';
import { readJson } from '../http/body.ts';
import { type Call, get, param, post, type Route } from '../http/call.ts';
import { hijack, multiplexedStream, rawStream, wantsUpgrade } from '../http/hijack.ts';
import { sizeOf } from '../http/query.ts';
import { commonHeaders, sendEmpty, sendJson } from '../http/reply.ts';

export const execRoutes: readonly Route[] = [
  get('/exec/{id*}/json', async call => sendJson(call, 200, await call.engine.execs.inspect(param(call, 'id')))),
  post('/containers/{name*}/exec', create),
  post('/exec/{id*}/start', start),
  post('/exec/{id*}/resize', async call => {
    await call.engine.execs.resize(param(call, 'id'), sizeOf(call.query));
    sendEmpty(call, 200);
  }),
];

async function create(call: Call): Promise<void> {
  const config = (await readJson(call, execOptions)) as ExecConfig & { Cmd: string[] | null };
  if (!config.Cmd?.length) throw invalidParameter('No exec command specified');
  if (call.version < 42) delete config.ConsoleSize;
  sendJson(call, 201, await call.engine.execs.create(param(call, 'name'), config));
}

async function start(call: Call): Promise<void> {
  const id = param(call, 'id');
  const options = (await readJson(call, execStartOptions)) as {
    Detach: boolean;
    Tty: boolean;
    ConsoleSize?: [height: number, width: number];
  };
  if (options.Detach) {
    await call.engine.execs.startDetached(id);
    sendEmpty(call, 200);
    return;
  }
  const consoleSize = call.version >= 42 && options.Tty ? options.ConsoleSize : undefined;
  const prepared = await call.engine.execs.startAttached(id, { tty: options.Tty, consoleSize });
  const connection = hijack(call);
  const type = !options.Tty && call.version >= 42 ? multiplexedStream : rawStream;
  const status = wantsUpgrade(call)
    ? `HTTP/1.1 101 UPGRADED\r\nContent-Type: ${type}\r\nConnection: Upgrade\r\nUpgrade: tcp`
    : `HTTP/1.1 200 OK\r\nContent-Type: ${rawStream}`;
  const headers = commonHeaders.map(([name, value]) => `${name}: ${value}`);
  // A client that has gone is the engine's to notice: the exec is claimed by now, and must not be `running` for ever.
  await connection.write(`${[status, ...headers].join('\r\n')}\r\n\r\n`).catch(() => {});
  try {
    await prepared.connect(connection.connection);
  } catch (error) {
    // The answer has begun, so the client reads the error as output of the command.
    call.log.error(`api: exec ${id}: ${messageOf(error)}`, error);
    const text = Buffer.from(`${messageOf(error)}\r\n`);
    connection.end(prepared.tty ? text : stdoutFrame(text));
  }
}

/** A frame of Docker's multiplexed stream. */
function stdoutFrame(data: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt8(1, 0);
  header.writeUInt32BE(data.length, 4);
  return Buffer.concat([header, data]);
}
