import type { Command, Context } from './command.ts';
import { entries, nouns } from './commands/index.ts';
import { ArgumentsError, ExitError, UsageError } from './errors.ts';
import { type Flag, list, text, toggle } from './flags/flag.ts';
import { HELP, parseFlags, type Values } from './flags/parse.ts';
import { VERSION } from './version.ts';

export const globalFlags: readonly Flag[] = [
  { name: 'config', kind: text, help: 'Location of client config files' },
  { name: 'context', short: 'c', kind: text, help: 'Accepted for scripts; Gantry has one context', hidden: true },
  { name: 'debug', short: 'D', kind: toggle, help: 'Show stacks of unexpected errors' },
  { name: 'host', short: 'H', kind: list, help: 'Daemon socket to connect to' },
  {
    name: 'log-level',
    short: 'l',
    kind: text,
    help: 'Set the logging level ("debug", "info", "warn", "error", "fatal")',
    fallback: '"info"',
  },
  { name: 'tls', kind: toggle, help: 'Use TLS; implied by --tlsverify' },
  { name: 'tlscacert', kind: text, help: 'Trust certs signed only by this CA', hidden: true },
  { name: 'tlscert', kind: text, help: 'Path to TLS certificate file', hidden: true },
  { name: 'tlskey', kind: text, help: 'Path to TLS key file', hidden: true },
  { name: 'tlsverify', kind: toggle, help: 'Use TLS and verify the remote' },
  { name: 'version', short: 'v', kind: toggle, help: 'Print version information and quit' },
];

/** Runs one command line; resolves with the exit status. */
export async function main(args: readonly string[]): Promise<number> {
  // A reader that has seen enough (`gantry logs c | head`) ends the command quietly.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 141 : 1));
  let globals: Values;
  try {
    const parsed = parseFlags(args, globalFlags, { interspersed: false });
    if (parsed === HELP) return await programHelp();
    globals = parsed;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return failure(
      `${error.message}\n\nUsage:  gantry [OPTIONS] COMMAND [ARG...]\n\nRun 'gantry --help' for more information`,
      125,
    );
  }
  if (globals.on('version')) {
    process.stdout.write(`Gantry version ${VERSION}\n`);
    return 0;
  }
  const [first, second] = globals.args;
  if (first === undefined || (first === 'help' && second === undefined)) return programHelp();
  if (first === 'help') return main([...globals.args.slice(1), '--help']);
  const noun = nouns.has(first);
  if (noun && (second === undefined || second === '--help' || second === '-h' || second === 'help')) {
    const { nounHelp } = await import('./help.ts');
    (second === undefined ? process.stderr : process.stdout).write(nounHelp(first));
    return 0;
  }
  const spelling = noun ? `${first} ${second}` : first;
  const entry = entries.find(candidate => candidate.spellings.includes(spelling));
  if (!entry) {
    const where = noun ? `gantry ${first} --help` : 'gantry --help';
    const usage = noun ? `Usage:  gantry ${first}\n\n` : '';
    return failure(`gantry: unknown command: gantry ${spelling}\n\n${usage}Run '${where}' for more information`, 1);
  }
  const { command } = await entry.load();
  try {
    const values = parseFlags(globals.args.slice(noun ? 2 : 1), command.flags, { interspersed: !command.flagsFirst });
    if (values === HELP) {
      const { commandHelp } = await import('./help.ts');
      process.stdout.write(commandHelp(spelling, entry, command));
      return 0;
    }
    checkArity(spelling, command, values.args.length);
    return await command.run(context(globals, spelling), values);
  } catch (error) {
    return await explain(error, spelling, command, globals);
  }
}

function checkArity(spelling: string, { arity }: Command, count: number): void {
  if (count >= arity.least && count <= arity.most) return;
  const name = `'gantry ${spelling}'`;
  const plural = (amount: number) => (amount === 1 ? 'argument' : 'arguments');
  if (arity.most === 0) throw new ArgumentsError(`${name} accepts no arguments`);
  if (arity.least === arity.most) throw new ArgumentsError(`${name} requires ${arity.least} ${plural(arity.least)}`);
  if (arity.least > 0 && Number.isFinite(arity.most)) {
    const range = `at least ${arity.least} and at most ${arity.most}`;
    throw new ArgumentsError(`${name} requires ${range} ${plural(arity.most)}`);
  }
  if (count < arity.least) throw new ArgumentsError(`${name} requires at least ${arity.least} ${plural(arity.least)}`);
  throw new ArgumentsError(`${name} requires at most ${arity.most} ${plural(arity.most)}`);
}

async function explain(error: unknown, spelling: string, command: Command, globals: Values): Promise<number> {
  if (error instanceof ExitError) {
    if (error.message === '') return error.status;
    if (command.pointsToHelp === 'always' && !error.plain)
      return failure(withPointer(error.message, spelling), Math.max(125, error.status));
    const points = command.pointsToHelp === 'for flags' && error.status === 125;
    return failure(points ? withPointer(error.message, spelling) : error.message, error.status);
  }
  if (error instanceof UsageError || error instanceof ArgumentsError) {
    const { usageLine } = await import('./help.ts');
    const usage = usageLine(spelling, command);
    if (error instanceof UsageError) {
      return failure(`${error.message}\n\n${usage}\n\nRun 'gantry ${spelling} --help' for more information`, 125);
    }
    const pointer = /at least \d+ argument/.test(error.message) ? 'See' : 'Run';
    return failure(
      `gantry: ${error.message}\n\n${usage}\n\n${pointer} 'gantry ${spelling} --help' for more information`,
      1,
    );
  }
  const { describe } = await import('./describe-error.ts');
  const message = describe(error, globals);
  return command.pointsToHelp === 'always' ? failure(withPointer(message, spelling), 125) : failure(message, 1);
}

function withPointer(message: string, spelling: string): string {
  return `${message.startsWith('gantry: ') ? '' : 'gantry: '}${message}\n\nRun 'gantry ${spelling} --help' for more information`;
}

function failure(message: string, status: number): number {
  process.stderr.write(`${message}\n`);
  return status;
}

async function programHelp(): Promise<number> {
  const { programHelp: help } = await import('./help.ts');
  process.stdout.write(help(globalFlags));
  return 0;
}

function context(globals: Values, spelling: string): Context {
  return {
    spelling,
    globals,
    // Getters: each of these streams costs a millisecond to open.
    get stdin() {
      return process.stdin;
    },
    get stdout() {
      return process.stdout;
    },
    get stderr() {
      return process.stderr;
    },
    async engine() {
      const { connect } = await import('./connect.ts');
      return connect(globals);
    },
  };
}
