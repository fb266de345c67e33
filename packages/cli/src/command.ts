import type { EngineClient } from '@gantry/client';
import type { Flag } from './flags/flag.ts';
import type { Values } from './flags/parse.ts';

/** How many arguments a command takes. */
export type Arity = { readonly least: number; readonly most: number };

export const exactly = (count: number): Arity => ({ least: count, most: count });
export const atLeast = (count: number): Arity => ({ least: count, most: Number.POSITIVE_INFINITY });
export const atMost = (count: number): Arity => ({ least: 0, most: count });

/** What a command may use of the world. */
export type Context = {
  /** How the command was called: `image ls`, `images`. */
  readonly spelling: string;
  /** The engine, version negotiated; a daemon is started first when none answers on the default socket. */
  engine(): Promise<EngineClient>;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly globals: Values;
};

export type Command = {
  /** What follows the command's name in the usage line. */
  readonly usage: string;
  readonly flags: readonly Flag[];
  readonly arity: Arity;
  /** Flags end at the first other argument. */
  readonly flagsFirst?: boolean;
  /** Which errors come with the program's name, a pointer to the help and status 125: every one, or those of the flags. */
  readonly pointsToHelp?: 'always' | 'for flags';
  /** Resolves with the exit status. */
  run(context: Context, values: Values): Promise<number>;
};
