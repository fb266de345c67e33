import { createHash, type Hash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { TarRecordWriter } from '../storage/tar-record.ts';
import type { TarEntry } from '../tar/entry.ts';
import { type TarHandler, TarParser } from '../tar/parser.ts';
import { type LayerForm, Unpacker, type UnpackLimits } from './unpacker.ts';

/** Names inside a layer's directory. */
export const LAYER_ROOT = 'diff';
export const LAYER_RECORD = 'record';
export const LAYER_KEPT = 'kept';
export const LAYER_BLOB = 'blob';
export const LAYER_DEFLATE = 'deflate';

/** What is known of a layer once all of it has been read. */
export type TakenLayer = {
  /** Digest of the archive, uncompressed. */
  readonly diffId: string;
  readonly sizeBytes: number;
  /** Length of the archive, uncompressed. */
  readonly archiveBytes: number;
  readonly entries: number;
  /** Digest of the compressed bytes that are kept beside the tree, or can be made again; undefined when none are. */
  readonly keptBlob?: string | undefined;
};

/**
 * Takes a layer's uncompressed archive in pieces: hashes it, unpacks it below `directory`/diff and writes its record.
 * Synchronous, for worker threads only. The caller removes the directory after a failure.
 */
export class LayerIntake implements TarHandler, Disposable {
  readonly #hash: Hash = createHash('sha256');
  readonly #parser: TarParser;
  readonly #unpacker: Unpacker;
  readonly #record: TarRecordWriter;
  #archiveBytes = 0;
  /** Of the time in `push`, what the digest took. */
  hashMs = 0;

  /** @param directory exists; its `diff` may exist too (a whole tree that starts as a copy of the layer below) */
  constructor(directory: string, form: LayerForm, limits: UnpackLimits) {
    mkdirSync(`${directory}/${LAYER_ROOT}`, { recursive: true, mode: 0o755 });
    this.#record = new TarRecordWriter(`${directory}/${LAYER_RECORD}`);
    this.#unpacker = new Unpacker(`${directory}/${LAYER_ROOT}`, `${directory}/${LAYER_KEPT}`, form, limits);
    this.#parser = new TarParser(this);
  }

  push(chunk: Buffer): void {
    const fromMs = performance.now();
    this.#hash.update(chunk);
    this.hashMs += performance.now() - fromMs;
    this.#archiveBytes += chunk.length;
    this.#parser.push(chunk);
  }

  finish(): TakenLayer {
    this.#parser.finish();
    this.#unpacker.finish();
    this.#record.finish();
    return {
      diffId: `sha256:${this.#hash.digest('hex')}`,
      sizeBytes: this.#unpacker.sizeBytes,
      archiveBytes: this.#archiveBytes,
      entries: this.#unpacker.entries,
    };
  }

  entry(entry: TarEntry): void {
    this.#unpacker.entry(entry);
  }

  data(bytes: Buffer, offset: number): void {
    this.#unpacker.data(bytes, offset);
  }

  end(): void {
    this.#unpacker.end();
  }

  literal(bytes: Buffer): void {
    this.#record.append(bytes);
  }

  [Symbol.dispose](): void {
    this.#unpacker[Symbol.dispose]();
    this.#record[Symbol.dispose]();
  }
}
