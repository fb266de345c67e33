import type { Explanation } from '../explain/explain-task.ts';
import type { FileTasks } from '../files/tasks.ts';
import type { TakenLayer } from '../unpack/layer-intake.ts';
import type { LayerForm, UnpackLimits } from '../unpack/unpacker.ts';
import type { Share } from './compress-task.ts';
import type { SaveMember } from './save-task.ts';

/** A layer's archive, as it came. */
export type UnpackedLayer = TakenLayer & {
  /** Digest and length of the bytes that came, still compressed. */
  readonly blobDigest: string;
  readonly blobBytes: number;
  /** What the thread was busy with, in milliseconds. */
  readonly timesMs: { readonly decompress: number; readonly hash: number; readonly write: number };
};

/** A regular member of an image archive. */
export type ArchiveMember =
  /** Small, kept in memory. */
  | { readonly kind: 'document'; readonly digest: string; readonly bytes: Uint8Array }
  /** An uncompressed layer, unpacked in `directory` already. */
  | { readonly kind: 'layer'; readonly digest: string; readonly directory: string; readonly taken: TakenLayer }
  /** Anything else, in a file. */
  | { readonly kind: 'blob'; readonly digest: string; readonly path: string; readonly sizeBytes: number }
  /** Passed over, since the store has a layer of this digest. */
  | { readonly kind: 'known'; readonly digest: string };

export type ArchiveContents = {
  readonly members: ReadonlyMap<string, ArchiveMember>;
  /** Symbolic links, cleaned: path to path. */
  readonly links: ReadonlyMap<string, string>;
};

type TaskOf<Kind extends string, Fields, Result> = {
  readonly task: { readonly kind: Kind } & Fields;
  readonly result: Result;
};

/** What workers do: each kind with its fields and its result. */
export type Tasks =
  /** Unpacks a layer from a file, or from the task's input. */
  | TaskOf<
      'unpack',
      {
        readonly directory: string;
        readonly form: LayerForm;
        readonly limits: UnpackLimits;
        readonly path: string | undefined;
        /** Digest that the input must have, checked before the layer is finished. */
        readonly expect: string | undefined;
        /** Keeps the bytes that come beside the tree, as they come. */
        readonly keepBlob: boolean;
      },
      UnpackedLayer
    >
  /** Takes an image archive from the task's input apart. */
  | TaskOf<
      'archive',
      {
        /** Empty; what is unpacked and spooled goes below it. */
        readonly directory: string;
        readonly form: LayerForm;
        readonly limits: UnpackLimits;
        readonly knownLayers: readonly string[];
      },
      ArchiveContents
    >
  /** Writes an image archive to the task's output. */
  | TaskOf<'save', { readonly members: readonly SaveMember[] }, undefined>
  /** Writes a layer's archive to the task's output. */
  | TaskOf<'rebuild', { readonly directory: string; readonly diffId: string }, undefined>
  /** Puts a deflate record in the place of a layer's kept blob, in idle time. */
  | TaskOf<'condense', { readonly directory: string; readonly diffId: string; readonly digest: string }, undefined>
  /** Writes the blob that a layer's deflate record stands for to the task's output. */
  | TaskOf<'reflate', { readonly directory: string }, undefined>
  /** Writes a share of a layer's archive, compressed with gzip, to the task's output; told as used is what went into it. */
  | TaskOf<'compress', { readonly directory: string; readonly diffId: string; readonly share: Share }, undefined>
  | TaskOf<'copy', { readonly from: string; readonly to: string }, undefined>
  | TaskOf<'remove', { readonly paths: readonly string[] }, undefined>
  /** Apparent size of a tree, files once, those named in `without` not at all. */
  | TaskOf<'size', { readonly path: string; readonly without: readonly string[] }, number>
  /** Puts a directory into a project, a new one when none is given, and bounds it; returns the next free project. */
  | TaskOf<
      'limit',
      {
        readonly root: string;
        readonly folders: readonly string[];
        readonly path: string;
        readonly limitBytes: number;
        readonly project: number | undefined;
      },
      number
    >
  | TaskOf<'explain', { readonly directories: readonly string[]; readonly limit: number }, Explanation>
  | TaskOf<'sync', { readonly path: string }, undefined>
  | FileTasks;

export type Task = Tasks['task'];
export type TaskKind = Task['kind'];
export type ResultOf<K extends TaskKind> = Extract<Tasks, { task: { kind: K } }>['result'];

export type ToWorker =
  | { readonly type: 'task'; readonly task: Task }
  | { readonly type: 'chunk'; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly type: 'end' }
  | { readonly type: 'abort' }
  /** The reader of the output has taken one chunk. */
  | { readonly type: 'taken' };

export type FromWorker =
  | { readonly type: 'done'; readonly result: unknown }
  | { readonly type: 'failed'; readonly error: WireError }
  /** So much of the input was used up; the chunk's memory is given back. */
  | { readonly type: 'used'; readonly bytes: number; readonly memory?: ArrayBuffer }
  | { readonly type: 'chunk'; readonly bytes: Uint8Array };

/** An error on its way between threads. */
export type WireError = {
  readonly kind: string | undefined;
  readonly message: string;
  readonly hint: string | undefined;
  readonly code: string | undefined;
};

/** Chunks that may be on their way to the reader of a task's output. */
export const WINDOW = 16;

/** Chunks that may be on their way to a thread, and what one holds at most. */
export const INPUT_WINDOW = 4;
export const INPUT_BYTES = 256 * 1024;
