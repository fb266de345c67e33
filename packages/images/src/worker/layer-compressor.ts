import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import type { Readable } from 'node:stream';
import { systemError } from '@gantry/errors';
import type { Workers } from './workers.ts';

/** A layer's compressed bytes, and, when they are all read, what they are. */
export type CompressedLayer = {
  readonly bytes: AsyncGenerator<Buffer>;
  /** @throws system before the bytes were read to their end */
  result(): { readonly digest: string; readonly sizeBytes: number };
};

/**
 * Compresses stored layers, each with as many threads as are free of those that it may take. Every thread reads the whole
 * archive, which is cheap, and compresses its share of the blocks.
 */
export class LayerCompressor {
  readonly #workers: Workers;
  #free: number;

  /** @param threads how many of the workers may compress; one layer more than that takes one more */
  constructor(workers: Workers, threads: number) {
    this.#workers = workers;
    this.#free = threads;
  }

  compress(directory: string, diffId: string, onUsed: (bytes: number) => void, signal: AbortSignal): CompressedLayer {
    const hash = createHash('sha256');
    let sizeBytes = 0;
    let digest: string | undefined;
    const blocks = this.#blocks(directory, diffId, onUsed, signal);
    async function* bytes(): AsyncGenerator<Buffer> {
      for await (const block of blocks) {
        hash.update(block);
        sizeBytes += block.length;
        yield block;
      }
      digest = `sha256:${hash.digest('hex')}`;
    }
    return {
      bytes: bytes(),
      result: () => {
        if (digest === undefined) throw systemError(`the layer ${diffId} was not compressed to its end`);
        return { digest, sizeBytes };
      },
    };
  }

  async *#blocks(
    directory: string,
    diffId: string,
    onUsed: (bytes: number) => void,
    signal: AbortSignal,
  ): AsyncGenerator<Buffer> {
    // Counted here and given back at the end. Together they never exceed the pool, so that no share waits for ever for
    // a thread that another layer's share holds, which waits for its own.
    const threads = Math.max(1, Math.min(availableParallelism(), this.#free));
    this.#free -= threads;
    const streams = Array.from({ length: threads }, (_, index) => {
      const task = { kind: 'compress', directory, diffId, share: { index, of: threads } } as const;
      return this.#workers.stream(task, signal, { onUsed });
    });
    try {
      const shares = streams.map(readBlocks);
      for (let turn = 0; ; turn++) {
        const next = await shares[turn % threads]?.next();
        if (!next || next.done) break;
        yield next.value;
      }
      // The first checks the whole archive, and says so at its end.
      for (const share of shares) await share.next();
    } finally {
      for (const stream of streams) stream.destroy();
      this.#free += threads;
    }
  }
}

/** The blocks of a stream, each of which comes behind its length. */
async function* readBlocks(stream: Readable): AsyncGenerator<Buffer> {
  let parts: Buffer[] = [];
  let held = 0;
  for await (const part of stream as AsyncIterable<Buffer>) {
    parts.push(part);
    held += part.length;
    for (let wanted = wantedBytes(parts); wanted !== undefined && held >= wanted; wanted = wantedBytes(parts)) {
      const all = Buffer.concat(parts);
      yield all.subarray(4, wanted);
      parts = [all.subarray(wanted)];
      held = all.length - wanted;
    }
  }
}

/** Length of the first block with its frame, once it can be read. */
function wantedBytes(parts: Buffer[]): number | undefined {
  const [first] = parts;
  if (!first) return undefined;
  if (first.length >= 4) return 4 + first.readUInt32LE(0);
  const all = Buffer.concat(parts);
  parts.splice(0, parts.length, all);
  return all.length >= 4 ? 4 + all.readUInt32LE(0) : undefined;
}
