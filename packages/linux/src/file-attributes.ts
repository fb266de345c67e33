import { constants } from 'node:os';
import { type ByteString, displayName, first, second } from './byte-string.ts';
import { attempt, libc, SystemCallError } from './ffi.ts';
import { pathAt } from './file.ts';

const lsetxattrFn = libc(
  'int lsetxattr(const void *path, const void *name, const void *value, size_t size, int flags)',
);
const lgetxattrFn = libc('long lgetxattr(const void *path, const void *name, void *value, size_t size)');
const llistxattrFn = libc('long llistxattr(const void *path, void *names, size_t size)');
const flistxattrFn = libc('long flistxattr(int fd, void *names, size_t size)');
const fgetxattrFn = libc('long fgetxattr(int fd, const void *name, void *value, size_t size)');
const fsetxattrFn = libc('int fsetxattr(int fd, const void *name, const void *value, size_t size, int flags)');

/** Sets an extended attribute of an open file. Returns 0, or the negated errno. */
export function trySetAttribute(fd: number, attribute: ByteString, value: Uint8Array): number {
  return attempt(fsetxattrFn(fd, second(attribute, 'fsetxattr'), value, value.byteLength, 0));
}

/** Sets an extended attribute of the file `name` in `dir`, not of what a link points to. Returns 0, or the negated errno. */
export function trySetAttributeAt(dir: number, name: ByteString, attribute: ByteString, value: Uint8Array): number {
  const path = first(pathAt(dir, name), 'lsetxattr');
  return attempt(lsetxattrFn(path, second(attribute, 'lsetxattr'), value, value.byteLength, 0));
}

/** An extended attribute: its name and its value. */
export type Attribute = readonly [ByteString, Buffer];

/** The kernel's longest list of names. */
const attributeNames = Buffer.allocUnsafeSlow(65536);

/** The extended attributes of the file `name` in `dir`, sorted by name. @throws SystemCallError */
export function attributesAt(dir: number, name: ByteString): Attribute[] {
  const length = attempt(llistxattrFn(first(pathAt(dir, name), 'llistxattr'), attributeNames, attributeNames.length));
  return valuesOf(length, 'llistxattr', name, attribute => attributeAt(dir, name, attribute));
}

/** The same of an open file (not O_PATH), without the way by its name. @throws SystemCallError */
export function attributesOf(fd: number): Attribute[] {
  const length = attempt(flistxattrFn(fd, attributeNames, attributeNames.length));
  return valuesOf(length, 'flistxattr', '', attribute => {
    const name = second(attribute, 'fgetxattr');
    return attributeValue(value => fgetxattrFn(fd, name, value, value.length), 'fgetxattr', '');
  });
}

/** One extended attribute, undefined when the file has none of that name. @throws SystemCallError */
export function attributeAt(dir: number, name: ByteString, attribute: ByteString): Buffer | undefined {
  const path = first(pathAt(dir, name), 'lgetxattr');
  const wanted = second(attribute, 'lgetxattr');
  return attributeValue(value => lgetxattrFn(path, wanted, value, value.length), 'lgetxattr', name);
}

/** What stands in the list of names, of `length` bytes, with its values. */
function valuesOf(
  length: number,
  call: string,
  name: ByteString,
  value: (attribute: ByteString) => Buffer | undefined,
): Attribute[] {
  if (length === -constants.errno.EOPNOTSUPP || length === 0) return [];
  if (length < 0) throw new SystemCallError(call, -length, displayName(name));
  const found: Attribute[] = [];
  for (const attribute of attributeNames.toString('latin1', 0, length).split('\0').filter(Boolean).sort()) {
    const content = value(attribute);
    if (content) found.push([attribute, content]);
  }
  return found;
}

function attributeValue(get: (value: Buffer) => unknown, call: string, name: ByteString): Buffer | undefined {
  const value = Buffer.allocUnsafe(65536);
  const length = attempt(get(value));
  if (length === -constants.errno.ENODATA || length === -constants.errno.EOPNOTSUPP) return undefined;
  if (length < 0) throw new SystemCallError(call, -length, displayName(name));
  return Buffer.from(value.subarray(0, length));
}
