import { type FileHandle, open } from 'node:fs/promises';

/** An open log file and which one it is, whatever its name is by now. */
export type LogFile = { readonly handle: FileHandle; readonly inode: number; sizeBytes: number };

const TAIL_BLOCK_BYTES = 64 * 1024;
const NEWLINE = 0x0a;

/** Opens a log file, undefined when there is none of that name. */
export async function openLogFile(path: string): Promise<LogFile | undefined> {
  let handle: FileHandle;
  try {
    handle = await open(path, 'r');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  const { ino, size } = await handle.stat();
  return { handle, inode: ino, sizeBytes: size };
}

/**
 * Opens `path` and what it was rotated to (`path.1`, ...), oldest first. A rotation between two opens only means that a
 * file is met twice.
 */
export async function openLogFiles(path: string): Promise<LogFile[]> {
  const files: LogFile[] = [];
  const current = await openLogFile(path);
  if (current) files.push(current);
  for (let index = 1; ; index++) {
    const file = await openLogFile(`${path}.${index}`);
    if (!file) return files;
    if (files.some(known => known.inode === file.inode)) await file.handle.close();
    else files.unshift(file);
  }
}

/**
 * Finds where the last `lines` lines begin, reading backwards: closes and drops the files before, and returns the offset in
 * the first one that is left.
 */
export async function seekTail(files: LogFile[], lines: number): Promise<number> {
  const block = Buffer.allocUnsafe(TAIL_BLOCK_BYTES);
  let missing = lines;
  for (let index = files.length - 1; index >= 0; index--) {
    const file = files[index];
    if (!file || file.sizeBytes === 0) continue;
    // Every newline but the last one of a file begins a line after it, and the file's start begins one too.
    let end = file.sizeBytes;
    while (end > 0) {
      const start = Math.max(0, end - TAIL_BLOCK_BYTES);
      const { bytesRead } = await file.handle.read(block, 0, end - start, start);
      for (let at = lastNewline(block, bytesRead); at >= 0; at = lastNewline(block, at)) {
        if (start + at === file.sizeBytes - 1 || --missing > 0) continue;
        await dropEarlier(files, index);
        return start + at + 1;
      }
      end = start;
    }
    if (--missing === 0) {
      await dropEarlier(files, index);
      return 0;
    }
  }
  return 0;
}

const lastNewline = (block: Buffer, before: number): number =>
  before <= 0 ? -1 : block.lastIndexOf(NEWLINE, before - 1);

async function dropEarlier(files: LogFile[], index: number): Promise<void> {
  for (const earlier of files.splice(0, index)) await earlier.handle.close();
}

/**
 * The file that was begun after `file` was full, undefined while `file` is the current one (or the next is not there yet).
 * When `file` was rotated away altogether, it is the oldest that is left.
 */
export async function nextLogFile(path: string, file: LogFile): Promise<LogFile | undefined> {
  let newer = await openLogFile(path);
  if (newer?.inode === file.inode) {
    await newer.handle.close();
    return undefined;
  }
  for (let index = 1; ; index++) {
    const older = await openLogFile(`${path}.${index}`);
    if (!older) return newer;
    if (older.inode === file.inode) {
      await older.handle.close();
      return newer;
    }
    await newer?.handle.close();
    newer = older;
  }
}
