import type { file } from '@gantry/linux';

/** What to do about bytes that are no archive. */
export const BROKEN_ARCHIVE = 'the file is damaged, cut off, or no tar archive: make or fetch it again';

/** A string whose characters are bytes: names in archives need not be UTF-8. */
export type ByteString = file.ByteString;

export type EntryType = 'file' | 'hardLink' | 'symlink' | 'character' | 'block' | 'directory' | 'fifo';

/** One member of a tar archive, with every extension already applied. */
export type TarEntry = {
  readonly type: EntryType;
  /** As the archive writes it: not cleaned, not to be trusted. */
  readonly name: ByteString;
  /** Target of a hard or symbolic link, else empty. */
  readonly linkName: ByteString;
  /** Permission bits with set-id and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly userName: ByteString;
  readonly groupName: ByteString;
  /** Bytes of the file itself; more than what the archive carries when it is sparse. */
  readonly sizeBytes: number;
  readonly modification: file.FileTime;
  readonly access: file.FileTime | undefined;
  readonly major: number;
  readonly minor: number;
  /** Extended attributes by name. */
  readonly attributes: ReadonlyMap<ByteString, ByteString>;
  /** Where the carried bytes lie in a sparse file, undefined for an ordinary one. */
  readonly sparse: readonly SparseRegion[] | undefined;
};

export type SparseRegion = { readonly offset: number; readonly length: number };

export const BLOCK = 512;

/** `size` rounded up to whole blocks. */
export function padded(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK;
}
