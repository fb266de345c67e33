import { once } from 'node:events';
import { conflict } from '@gantry/errors';
import type { Attachment, AttachOptions, ClientConnection } from '@gantry/runtime';
import type { EngineContext } from '../context.ts';
import type { PreparedAttach } from '../engine.ts';
import { streamOf } from './attachments.ts';
import type { Container } from './container.ts';
import { openLogs } from './logs.ts';

/**
 * Checks an attach. A container that does not run keeps the client until its next start.
 * @throws conflict when it is paused or restarting
 */
export function prepareAttach(
  context: EngineContext,
  container: Container,
  options: AttachOptions & { readonly stream: boolean; readonly logs: boolean },
  ref: string,
): PreparedAttach {
  if (container.state.status === 'paused') {
    throw conflict(`container ${ref} is paused, unpause the container before attach`);
  }
  if (container.state.status === 'restarting') {
    throw conflict(`container ${ref} is restarting, wait until the container is running`);
  }
  const { config } = container.document;
  const checked: AttachOptions = {
    stdin: options.stdin && config.OpenStdin,
    stdout: options.stdout,
    stderr: options.stderr,
    detachKeys: options.detachKeys,
    multiplexed: options.multiplexed && !config.Tty,
  };
  return {
    tty: config.Tty,
    connect: async connection => {
      if (options.logs) await sendLogs(container, connection, checked);
      context.containerEvent(container, 'attach');
      if (!options.stream) {
        streamOf(connection).end();
        return;
      }
      await deliver(container, { options: checked, connection });
    },
  };
}

/** Gives the client to the shim, or keeps it for the next start. */
async function deliver(container: Container, attachment: Attachment): Promise<void> {
  const { run } = container;
  if (run) {
    await run.shim.attach(attachment);
    return;
  }
  container.pendingAttachments.push(attachment);
  const stream = streamOf(attachment.connection);
  stream.once('close', () => {
    const at = container.pendingAttachments.indexOf(attachment);
    if (at >= 0) container.pendingAttachments.splice(at, 1);
  });
}

/** What was written so far, before the stream goes on. */
async function sendLogs(
  container: Container,
  connection: ClientConnection,
  { stdout, stderr }: AttachOptions,
): Promise<void> {
  const stream = streamOf(connection);
  const abort = new AbortController();
  stream.once('close', () => abort.abort());
  const { body } = openLogs(
    container,
    { stdout, stderr, follow: false, sinceNs: 0n, untilNs: 0n, timestamps: false, details: false, tail: undefined },
    abort.signal,
  );
  for await (const chunk of body) {
    if (!stream.write(chunk as Buffer)) await once(stream, 'drain', { signal: abort.signal });
  }
}
