import type { Attachment, ClientConnection } from '@gantry/runtime';

/** Ends the connections of clients that will never be served. */
export function endAttachments(attachments: readonly Attachment[]): void {
  for (const { connection } of attachments) streamOf(connection).end();
}

/** The connection as a stream, to write to it before it is handed over. */
export function streamOf(connection: ClientConnection): NodeJS.WritableStream & { readonly destroyed?: boolean } {
  return connection.kind === 'socket' ? connection.socket : connection.stream;
}
