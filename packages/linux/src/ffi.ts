import { constants } from 'node:os';
import koffi from 'koffi';

/**
 * The one place that touches the foreign function interface. Each topic (mount.ts, netlink/socket.ts, ...) declares the
 * libc functions it needs with `libc`, and turns a negative result into a SystemCallError with `check`.
 */
const library = koffi.load(null);

export type ForeignFunction = (...args: unknown[]) => unknown;

/** Declares a function of the C library, for example `libc('int umount2(const char *target, int flags)')`. */
export function libc(prototype: string): ForeignFunction {
  return library.func(prototype) as ForeignFunction;
}

/**
 * Declares a function that runs beside the event loop, for calls that may sleep. The errno of a failure stays with the
 * other thread: who needs it makes the call again.
 */
export function libcAsync(prototype: string): (...args: unknown[]) => Promise<unknown> {
  const called = library.func(prototype);
  return (...args) =>
    new Promise((resolve, reject) => {
      called.async(...args, (error: unknown, result: unknown) => (error ? reject(error) : resolve(result)));
    });
}

const syscallFunction = library.func(
  'long syscall(long number, long a, long b, long c, long d, long e, long f)',
) as ForeignFunction;

/** A raw system call; pointers are passed as numbers from `addressOf`. Returns the result, or throws. */
export function syscall(name: string, number: number, ...args: (number | bigint)[]): number {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = args;
  return check(syscallFunction(number, a, b, c, d, e, f), name);
}

/** The address of a buffer's first byte. The caller keeps the buffer alive until the call returned. */
export function addressOf(buffer: Uint8Array): bigint {
  return koffi.address(buffer);
}

/** A system call that failed: its name, errno by name and number, and the object it was about. */
export class SystemCallError extends Error {
  readonly call: string;
  readonly errno: number;
  /** The name of the errno, as `ENOENT`. */
  readonly code: string;
  readonly object: string | undefined;

  constructor(call: string, errno: number, object?: string) {
    const code = errnoName(errno);
    super(`${call}${object === undefined ? '' : ` ${object}`}: ${describeErrno(errno)} (${code})`);
    this.name = 'SystemCallError';
    this.call = call;
    this.errno = errno;
    this.code = code;
    this.object = object;
  }
}

/** Returns a non-negative `result` as a number, else the negated errno: for failures that are an ordinary answer. */
export function attempt(result: unknown): number {
  const value = Number(result);
  return value < 0 ? -koffi.errno() : value;
}

/** Returns a non-negative `result` as a number. @throws SystemCallError with the current errno otherwise */
export function check(result: unknown, call: string, object?: string): number {
  const value = Number(result);
  if (value < 0) throw new SystemCallError(call, koffi.errno(), object);
  return value;
}

/** The errno of the foreign call that failed last, for those that a failure does not surprise. */
export function lastErrno(): number {
  return koffi.errno();
}

// Of two names for one number (EAGAIN, EWOULDBLOCK) the first is the usual one.
const names = new Map<number, string>(
  Object.entries(constants.errno)
    .map(([name, value]) => [value, name] as const)
    .reverse(),
);

/** `2` to `ENOENT`; a number without a name to `E<number>`. */
export function errnoName(errno: number): string {
  return names.get(errno) ?? `E${errno}`;
}

const strerror = libc('const char *strerror(int errno)');

/** The C library's text for an errno, in lower case as Go prints it: `no such file or directory`. */
export function describeErrno(errno: number): string {
  const text = String(strerror(errno));
  return text.charAt(0).toLowerCase() + text.slice(1);
}
