import { constants } from 'node:os';
import { attempt, check, libc } from './ffi.ts';
import { readAt, setLength, statusAt, writeAllAt } from './file.ts';

const copyRangeFn = libc(
  'long copy_file_range(int from, void *fromAt, int to, void *toAt, size_t length, uint32_t flags)',
);
const sendfileFn = libc('long sendfile(int to, int from, void *offset, size_t length)');
const lseekFn = libc('int64_t lseek(int fd, int64_t offset, int whence)');
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const SEEK_SET = 0;
const COPY_STEP = 64 * 1024 * 1024;
/** Large enough that the calls cost little, small enough for the processor's cache. */
const scratch = Buffer.allocUnsafeSlow(256 * 1024);

/** Copies a whole file into an empty one, keeping its holes. @throws SystemCallError */
export function copyContents(from: number, to: number): void {
  const size = statusAt(from, '')?.sizeBytes ?? 0;
  for (let at = 0; at < size; ) {
    const data = attempt(lseekFn(from, at, SEEK_DATA));
    if (data === -constants.errno.ENXIO) break;
    const start = data < 0 ? at : data;
    const hole = data < 0 ? size : attempt(lseekFn(from, start, SEEK_HOLE));
    at = hole < 0 ? size : hole;
    copyRange(from, to, start, at);
  }
  setLength(to, size);
}

/** Where a file has data, in order; what lies between is holes. One region for a file system that does not tell. */
export function dataRegions(fd: number, sizeBytes: number): { readonly offset: number; readonly length: number }[] {
  const regions: { offset: number; length: number }[] = [];
  for (let at = 0; at < sizeBytes; ) {
    const data = attempt(lseekFn(fd, at, SEEK_DATA));
    if (data === -constants.errno.ENXIO) break;
    if (data < 0) return [{ offset: 0, length: sizeBytes }];
    const hole = attempt(lseekFn(fd, data, SEEK_HOLE));
    const end = hole < 0 ? sizeBytes : Math.min(hole, sizeBytes);
    if (data < end) regions.push({ offset: data, length: end - data });
    at = Math.max(end, data + 1);
  }
  return regions;
}

/**
 * Copies the first `sizeBytes` bytes of a file without holes to an empty one: one call for a small file, in the kernel.
 * @throws SystemCallError
 */
export function copyDense(from: number, to: number, sizeBytes: number): void {
  sendRange(from, to, 0, sizeBytes);
}

/** Shares blocks where the file system can, else copies. */
function copyRange(from: number, to: number, start: number, end: number): void {
  check(lseekFn(from, start, SEEK_SET), 'lseek');
  check(lseekFn(to, start, SEEK_SET), 'lseek');
  for (let done = start; done < end; ) {
    const n = attempt(copyRangeFn(from, null, to, null, Math.min(COPY_STEP, end - done), 0));
    if (n === 0) return;
    if (n < 0) {
      sendRange(from, to, done, end);
      return;
    }
    done += n;
  }
}

/** Copies between any two file systems, in the kernel; both stand at `start` already. */
function sendRange(from: number, to: number, start: number, end: number): void {
  for (let done = start; done < end; ) {
    const n = attempt(sendfileFn(to, from, null, Math.min(COPY_STEP, end - done)));
    if (n === 0) return;
    if (n < 0) {
      copyByHand(from, to, done, end);
      return;
    }
    done += n;
  }
}

/** For files that cannot be copied in the kernel (EINVAL, EOPNOTSUPP); tells what else is wrong. */
function copyByHand(from: number, to: number, start: number, end: number): void {
  for (let at = start; at < end; ) {
    const n = readAt(from, scratch.subarray(0, Math.min(scratch.length, end - at)), at);
    if (n === 0) return;
    writeAllAt(to, scratch.subarray(0, n), at);
    at += n;
  }
}
