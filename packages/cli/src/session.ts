import type { Hijacked } from '@gantry/client';
import type { Context } from './command.ts';
import { ExitError } from './errors.ts';

/** How a session with a process ended. */
export type SessionEnd = 'closed' | 'detached';

export type SessionOptions = {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
  readonly detachKeys: string | undefined;
};

/** Docker refuses a terminal session whose input is no terminal. @throws ExitError */
export function checkTty(context: Context, { stdin, tty }: { readonly stdin: boolean; readonly tty: boolean }): void {
  if (stdin && tty && !context.stdin.isTTY) throw new ExitError(1, 'the input device is not a TTY', { plain: true });
}

/**
 * Connects this process's streams with `stream` until the output ends, or until the user types the detach keys (terminal only;
 * without one the engine looks for them). A terminal is raw meanwhile, and as it was afterwards.
 */
export async function runSession(context: Context, stream: Hijacked, options: SessionOptions): Promise<SessionEnd> {
  const { stdin } = context;
  const raw = options.stdin && options.tty && stdin.isTTY;
  const output = stream.copyOutput(
    options.stdout ? context.stdout : undefined,
    options.tty ? (options.stdout ? context.stdout : undefined) : options.stderr ? context.stderr : undefined,
  );
  const closed = output.then(() => 'closed' as const);
  if (!options.stdin) {
    // Nothing will be sent; Docker leaves its side open until the output ends.
    return closed;
  }
  const { promise: detached, resolve: detach } = Promise.withResolvers<'detached'>();
  if (raw) stdin.setRawMode(true);
  try {
    const input = raw ? untilKeys(stdin, detachSequence(options.detachKeys), () => detach('detached')) : stdin;
    // A reader that went away shows as the end of the output.
    stream.copyInput(input).catch(() => {});
    return await Promise.race([closed, detached]);
  } finally {
    if (raw) stdin.setRawMode(false);
    stdin.pause();
    stdin.unref?.();
  }
}

const NAMED: Readonly<Record<string, number>> = { '@': 0, '[': 27, '\\': 28, ']': 29, '^': 30, _: 31 };

/** Bytes of `ctrl-p,ctrl-q`, `a,ctrl-]`. @throws ExitError */
export function detachSequence(keys: string | undefined): Buffer {
  const text = keys || 'ctrl-p,ctrl-q';
  const bytes = text.split(',').map(key => {
    const control = /^ctrl-([a-z@[\\\]^_])$/i.exec(key)?.[1]?.toLowerCase();
    if (control !== undefined) return NAMED[control] ?? control.charCodeAt(0) - 96;
    if (key.length === 1) return key.charCodeAt(0);
    throw new ExitError(125, `invalid detach keys (${text}): Unknown character: '${key}'`);
  });
  return Buffer.from(bytes);
}

/** Passes input on until `keys` come; the first of them are held back until it is clear that they are no detach. */
async function* untilKeys(input: AsyncIterable<Buffer>, keys: Buffer, found: () => void): AsyncGenerator<Buffer, void> {
  let matched = 0;
  for await (const piece of input) {
    const out: number[] = [];
    for (const byte of piece) {
      if (byte === keys[matched]) {
        matched++;
        if (matched < keys.length) continue;
        if (out.length > 0) yield Buffer.from(out);
        found();
        return await new Promise(() => {}); // the session ends from outside; the input stays open
      }
      if (matched > 0) out.push(...keys.subarray(0, matched));
      matched = byte === keys[0] ? 1 : 0;
      if (matched === 0) out.push(byte);
    }
    if (out.length > 0) yield Buffer.from(out);
  }
}

/**
 * Tells `resize` the terminal's size now and whenever it changes. Dispose to stop.
 * @param options.redraw another size is told first: a program draws its screen or prompt again only when the size has changed
 */
export function followSize(
  context: Context,
  resize: (rows: number, columns: number) => Promise<unknown>,
  { redraw = false }: { readonly redraw?: boolean } = {},
): Disposable {
  const { stdout } = context;
  if (!stdout.isTTY) return { [Symbol.dispose]() {} };
  // A process that ended has no size; its end is reported elsewhere.
  const tell = () => void resize(stdout.rows, stdout.columns).catch(() => {});
  if (redraw) void resize(stdout.rows + 1, stdout.columns + 1).then(tell, () => {});
  else tell();
  stdout.on('resize', tell);
  return { [Symbol.dispose]: () => void stdout.off('resize', tell) };
}

const PROXIED = [
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGTERM',
  'SIGUSR1',
  'SIGUSR2',
  'SIGCONT',
  'SIGTSTP',
  'SIGTTIN',
  'SIGTTOU',
  'SIGALRM',
  'SIGWINCH',
] as const;

/** Passes the signals that this process gets to the container. Dispose to stop. */
export function proxySignals(kill: (signal: string) => Promise<unknown>): Disposable {
  const handlers = PROXIED.map(signal => {
    // Before it runs and after it ended there is nobody to tell.
    const handler = () => void kill(signal.slice(3)).catch(() => {});
    process.on(signal, handler);
    return () => void process.off(signal, handler);
  });
  return {
    [Symbol.dispose]() {
      for (const stop of handlers) stop();
    },
  };
}

/** Rows and columns of the terminal; zeros without one. */
export function terminalSize(context: Context): readonly [rows: number, columns: number] {
  return context.stdout.isTTY ? [context.stdout.rows, context.stdout.columns] : [0, 0];
}
