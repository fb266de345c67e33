import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import type { Context } from './command.ts';
import { ExitError } from './errors.ts';
import { type Flag, text } from './flags/flag.ts';

/** `-o` of the commands that write an archive. */
export const outputFlag: Flag = {
  name: 'output',
  short: 'o',
  kind: text,
  help: 'Write to a file, instead of STDOUT',
};

/** Where an archive goes: a file, or standard output when there is no name, or `-` where that means the same. */
export type ArchiveOutput = { readonly file: string | undefined };

/** @throws ExitError for a terminal: nobody wants to read an archive there */
export function archiveOutput(context: Context, file: string | undefined): ArchiveOutput {
  if (file) return { file };
  if (!context.stdout.isTTY) return { file: undefined };
  throw new ExitError(1, 'cowardly refusing to save to a terminal. Use the -o flag or redirect');
}

/** Writes an archive as fast as its reader takes it. A file has its name only when it is whole. */
export async function writeArchive(
  context: Context,
  body: AsyncIterable<Uint8Array>,
  { file }: ArchiveOutput,
  mode = 0o666,
): Promise<void> {
  if (file === undefined) {
    await pipeline(body, context.stdout, { end: false });
    return;
  }
  const unfinished = `${file}.${process.pid}.part`;
  try {
    await pipeline(body, createWriteStream(unfinished, { mode }));
    await rename(unfinished, file);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
}
