import { constants } from 'node:os';
import { SystemCallError } from './ffi.ts';

/**
 * A name as Linux knows it: a JavaScript string whose characters are the bytes 0 to 255 (encoding latin1).
 * `byteString` makes one of ordinary text.
 */
export type ByteString = string;

export const PATH_MAX = 4096;
const nameA = Buffer.alloc(PATH_MAX + 1);
const nameB = Buffer.alloc(PATH_MAX + 1);

/** Ordinary text as a byte string (its UTF-8 bytes). */
export function byteString(text: string): ByteString {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** A byte string as text for people; bytes that are no UTF-8 become U+FFFD. */
export function displayName(name: ByteString): string {
  return Buffer.from(name, 'latin1').toString('utf8');
}

// The two scratch buffers are overwritten by every call; the kernel has copied the name when a call returns.
function pass(name: ByteString, scratch: Buffer, call: string): Buffer {
  if (name.length >= PATH_MAX)
    throw new SystemCallError(call, constants.errno.ENAMETOOLONG, displayName(name.slice(0, 64)));
  if (name.includes('\0')) throw new SystemCallError(call, constants.errno.EINVAL, displayName(name));
  scratch[scratch.write(name, 0, 'latin1')] = 0;
  return scratch;
}

/** A name as the kernel takes it: bytes that end with 0. @throws SystemCallError */
export const first = (name: ByteString, call: string): Buffer => pass(name, nameA, call);
/** The same beside a `first` one, for calls with two names. @throws SystemCallError */
export const second = (name: ByteString, call: string): Buffer => pass(name, nameB, call);
