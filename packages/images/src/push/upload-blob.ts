import { setTimeout as wait } from 'node:timers/promises';
import { cancelled, isGantryError } from '@gantry/errors';
import { ConnectionError } from '../pull/http.ts';
import type { BlobSource } from './blob-source.ts';
import type { PushClient, Upload } from './push-client.ts';

/** As dockerd. */
const ATTEMPTS = 5;

/**
 * Uploads a blob. When it breaks off, the registry is asked how far it came, and it goes on from there; one that has
 * forgotten it gets it from the start.
 * @param opened an upload that stands open already
 * @param onSent told how many of the blob's bytes are on their way
 * @param onRetry told how many seconds are waited before the next attempt
 * @see OCI distribution-spec 1.1, "Pushing a blob in chunks"
 */
export async function uploadBlob(
  client: PushClient,
  blob: BlobSource,
  opened: Upload | undefined,
  on: { readonly onSent?: (bytes: number) => void; readonly onRetry: (seconds: number) => void },
  signal: AbortSignal,
): Promise<void> {
  let upload = opened;
  for (let attempt = 1; ; attempt++) {
    const before = upload?.doneBytes ?? 0;
    let sent = before;
    const counted = counting(blob, bytes => {
      sent = bytes;
      on.onSent?.(bytes);
    });
    try {
      upload ??= await client.openUpload();
      await client.finishUpload(upload, counted);
      return;
    } catch (error) {
      const isTransient = error instanceof ConnectionError || isGantryError(error, 'unavailable');
      // A beginning that the registry does not go on with is worth one attempt without it.
      const isWorthIt = isTransient || before > 0;
      if (signal.aborted || !isWorthIt || attempt >= ATTEMPTS) {
        if (upload) await client.cancelUpload(upload);
        throw signal.aborted ? cancelled('the transfer was cancelled', { cause: error }) : error;
      }
      if (isTransient) {
        // A first break is most often a connection that was closed in between.
        await countDown(attempt === 1 && sent > before ? 1 : attempt * 5, on.onRetry, signal);
        if (blob.known && (await client.hasBlob(blob.known.digest).catch(() => false))) return;
        const state = upload && (await client.uploadState(upload).catch(() => undefined));
        if (upload && !state) await client.cancelUpload(upload);
        upload = state;
        if ((state?.doneBytes ?? 0) > before) attempt = 0;
      } else {
        if (upload) await client.cancelUpload(upload);
        upload = undefined;
      }
    }
  }
}

async function countDown(seconds: number, onRetry: (seconds: number) => void, signal: AbortSignal): Promise<void> {
  for (let left = seconds; left > 0 && !signal.aborted; left--) {
    onRetry(left);
    await wait(1000, undefined, { signal }).catch(() => {});
  }
}

function counting(blob: BlobSource, onSent: (bytes: number) => void): BlobSource {
  return {
    ...blob,
    async *bytes(from) {
      let sent = from;
      for await (const part of blob.bytes(from)) {
        sent += part.length;
        onSent(sent);
        yield part;
      }
    },
  };
}
