import { type LogFile, openLogFile, sameFile } from './log-file.ts';

const TAIL_BLOCK_BYTES = 64 * 1024;
const NEWLINE = 0x0a;

/**
 * Opens `path` and what it was rotated to (`path.1`, ..., in either form), oldest first. A rotation between two opens only means
 * that a file is met twice.
 */
export async function openLogFiles(path: string): Promise<LogFile[]> {
  const files: LogFile[] = [];
  const current = await openLogFile(path);
  if (current) files.push(current);
  for await (const file of olderFiles(path)) {
    const [newest] = files;
    if (newest && (await sameFile(newest, file))) await file.close();
    else files.unshift(file);
  }
  return files;
}

/** Opens what `path` was rotated to, the newest first. */
async function* olderFiles(path: string): AsyncGenerator<LogFile, void> {
  let missing = 0;
  // In the middle of a rotation, one number is free.
  for (let index = 1; missing < 2; index++) {
    const file = await openLogFile(`${path}.${index}`);
    if (file) yield file;
    missing = file ? 0 : missing + 1;
  }
}

/**
 * Finds where the last `lines` lines begin, reading backwards: closes and drops the files before, and returns the offset in
 * the first one that is left.
 */
export async function seekTail(files: LogFile[], lines: number): Promise<number> {
  let missing = lines;
  for (let index = files.length - 1; index >= 0; index--) {
    const file = files[index];
    if (!file || file.sizeBytes === 0) continue;
    const found =
      file.lines === undefined ? await seekBack(file, missing) : await seekForward(file, file.lines, missing);
    if (found.offset !== undefined) {
      for (const earlier of files.splice(0, index)) await earlier.close();
      return found.offset;
    }
    missing -= found.lines;
  }
  return 0;
}

/** Where the last `missing` lines of a file begin, or how many lines there are when there are fewer. */
type Found = { readonly offset: number } | { readonly offset?: undefined; readonly lines: number };

async function seekBack(file: LogFile, missing: number): Promise<Found> {
  const block = Buffer.allocUnsafe(TAIL_BLOCK_BYTES);
  // Every newline but the last one of a file begins a line after it, and the file's start begins one too. What follows the last
  // one is half a line, which somebody could not finish.
  let lines = -1;
  let end = file.sizeBytes;
  while (end > 0) {
    const start = Math.max(0, end - TAIL_BLOCK_BYTES);
    const bytesRead = await file.read(block, 0, end - start, start);
    for (let at = lastNewline(block, bytesRead); at >= 0; at = lastNewline(block, at)) {
      if (++lines === missing) return { offset: start + at + 1 };
    }
    end = start;
  }
  return ++lines === missing ? { offset: 0 } : { lines };
}

/** The same for a file that can only be read forwards, and says how many lines it has. */
async function seekForward(file: LogFile, lines: number, missing: number): Promise<Found> {
  if (lines < missing) return { lines };
  const block = Buffer.allocUnsafe(TAIL_BLOCK_BYTES);
  let before = lines - missing;
  for (let start = 0; before > 0; ) {
    const bytesRead = await file.read(block, 0, block.length, start);
    if (bytesRead === 0) return { lines: 0 };
    for (let at = block.indexOf(NEWLINE); at >= 0 && at < bytesRead; at = block.indexOf(NEWLINE, at + 1)) {
      if (--before === 0) return { offset: start + at + 1 };
    }
    start += bytesRead;
  }
  return { offset: 0 };
}

const lastNewline = (block: Buffer, before: number): number =>
  before <= 0 ? -1 : block.lastIndexOf(NEWLINE, before - 1);

/**
 * The file that was begun after `file` was full, undefined while `file` is the current one (or the next is not there yet).
 * When `file` was rotated away altogether, it is the oldest that is left.
 */
export async function nextLogFile(path: string, file: LogFile): Promise<LogFile | undefined> {
  let newer = await openLogFile(path);
  if (newer && (await sameFile(newer, file))) {
    await newer.close();
    return undefined;
  }
  for await (const older of olderFiles(path)) {
    if (await sameFile(older, file)) {
      await older.close();
      return newer;
    }
    // Met twice: it was rotated meanwhile.
    await newer?.close();
    newer = older;
  }
  return newer;
}
