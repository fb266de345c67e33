import { createInterface } from 'node:readline/promises';
import type { Context } from './command.ts';

/** Asks a question on the terminal, or of whoever writes to standard input; only `y` and `Y` are yes. */
export async function confirm(context: Context, question: string): Promise<boolean> {
  context.stdout.write(`${question} [y/N] `);
  const lines = createInterface({ input: context.stdin });
  try {
    for await (const line of lines) return line.trim().toLowerCase() === 'y';
    return false;
  } finally {
    lines.close();
    context.stdin.pause();
  }
}
