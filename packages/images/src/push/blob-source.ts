import { type FileHandle, open } from 'node:fs/promises';
import { messageOf, notFound, systemError } from '@gantry/errors';
import type { Digest } from '@gantry/oci';
import type { PullSource } from '../pull/pull-source.ts';
import { LAYER_BLOB } from '../unpack/layer-intake.ts';
import type { CompressedLayer, LayerCompressor } from '../worker/layer-compressor.ts';
import type { Workers } from '../worker/workers.ts';

const PIECE = 1024 * 1024;

/** The bytes of a blob, readable as often as needed, and from any byte on. */
export type BlobSource = {
  /** Undefined when it is found out by reading. */
  readonly known: { readonly digest: Digest; readonly size: number } | undefined;
  bytes(from: number): AsyncIterable<Uint8Array>;
  /** What was read, once it was read to its end. @throws system before */
  result(): { readonly digest: Digest; readonly sizeBytes: number };
};

type Known = { readonly digest: Digest; readonly size: number };

const knownSource = (known: Known, bytes: BlobSource['bytes']): BlobSource => ({
  known,
  bytes,
  result: () => ({ digest: known.digest, sizeBytes: known.size }),
});

/**
 * The compressed blob of a layer: kept beside its tree, or made again from its deflate record. Reading throws notFound where
 * neither is whole; that it is the very blob is for the registry to see.
 */
export function keptBlob(workers: Workers, directory: string, blob: Known, signal: AbortSignal): BlobSource {
  return knownSource(blob, async function* (start) {
    const whole = await openWhole(`${directory}/${LAYER_BLOB}`, blob.size);
    if (whole) {
      yield* whole.createReadStream({ start, highWaterMark: PIECE });
      return;
    }
    const task = { kind: 'reflate', directory } as const;
    try {
      yield* withoutFirst(start, workers.stream(task, signal));
    } catch (error) {
      if (signal.aborted) throw error;
      throw notFound(`the blob ${blob.digest} of a layer is missing or damaged: ${messageOf(error)}`);
    }
  });
}

async function openWhole(path: string, size: number): Promise<FileHandle | undefined> {
  const handle = await open(path).catch(() => undefined);
  if (handle === undefined || (await handle.stat()).size === size) return handle;
  await handle.close();
  return undefined;
}

/** A blob as another registry has it. */
export function registryBlob(from: PullSource, known: Known, signal: AbortSignal): BlobSource {
  return knownSource(known, start => from.blob(known, { onRetry: () => {}, from: start }, signal));
}

/** A layer's own archive, without compression: its digest is the diff id. */
export function archiveBlob(workers: Workers, directory: string, known: Known, signal: AbortSignal): BlobSource {
  const task = { kind: 'rebuild', directory, diffId: known.digest } as const;
  return knownSource(known, start => withoutFirst(start, workers.stream(task, signal)));
}

/**
 * A layer's archive, compressed on its way. Compression is deterministic, so what is read again is the same.
 * @param on told when it begins, also anew, and how many bytes of the archive were compressed
 */
export function compressedBlob(
  compressor: LayerCompressor,
  directory: string,
  diffId: Digest,
  on: { readonly onStart: () => void; readonly onUsed: (bytes: number) => void },
  signal: AbortSignal,
): BlobSource {
  let compressed: CompressedLayer | undefined;
  return {
    known: undefined,
    bytes: start => {
      on.onStart();
      compressed = compressor.compress(directory, diffId, on.onUsed, signal);
      return withoutFirst(start, compressed.bytes);
    },
    result: () => {
      if (!compressed) throw systemError(`the layer ${diffId} was not compressed`);
      return compressed.result();
    },
  };
}

async function* withoutFirst(count: number, source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let left = count;
  for await (const bytes of source) {
    if (left < bytes.length) yield left === 0 ? bytes : bytes.subarray(left);
    left = Math.max(left - bytes.length, 0);
  }
}
