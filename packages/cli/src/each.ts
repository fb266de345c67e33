import type { Context } from './command.ts';
import { describe } from './describe-error.ts';
import { ExitError } from './errors.ts';

/** As many requests as Docker's own command has under way. */
const AT_ONCE = 50;

/**
 * Does `work` for every name, several at once, and prints each name that succeeded in the order given.
 * @throws ExitError with status 1 and every failure, one a line
 */
export async function forEach(
  context: Context,
  names: readonly string[],
  work: (name: string) => Promise<unknown>,
  print: (name: string, result: unknown) => string | undefined = name => name,
): Promise<number> {
  const running: Promise<unknown>[] = [];
  const results: Promise<{ readonly result: unknown } | { readonly error: unknown }>[] = [];
  for (const name of names) {
    if (running.length >= AT_ONCE) await running.shift();
    const done = work(name).then(
      result => ({ result }),
      (error: unknown) => ({ error }),
    );
    running.push(done);
    results.push(done);
  }
  const errors: string[] = [];
  for (const [at, name] of names.entries()) {
    const outcome = await results[at];
    if (outcome && 'error' in outcome) errors.push(describe(outcome.error, context.globals));
    else {
      const line = print(name, outcome?.result);
      if (line !== undefined) context.stdout.write(`${line}\n`);
    }
  }
  if (errors.length > 0) throw new ExitError(1, errors.join('\n'));
  return 0;
}
