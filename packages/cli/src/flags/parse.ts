import { UsageError } from '../errors.ts';
import { type Flag, isTrue } from './flag.ts';

/** What a command line gave: the flags' texts in order, and the other arguments. */
export class Values {
  readonly #given: ReadonlyMap<string, readonly string[]>;
  readonly args: readonly string[];

  constructor(given: ReadonlyMap<string, readonly string[]>, args: readonly string[]) {
    this.#given = given;
    this.args = args;
  }

  changed(name: string): boolean {
    return this.#given.has(name);
  }

  /** The last text given. */
  text(name: string): string | undefined {
    return this.#given.get(name)?.at(-1);
  }

  list(name: string): readonly string[] {
    return this.#given.get(name) ?? [];
  }

  on(name: string, fallback = false): boolean {
    const value = this.text(name);
    return value === undefined ? fallback : isTrue(value);
  }

  number(name: string): number | undefined {
    const value = this.text(name);
    return value === undefined ? undefined : Number(value);
  }
}

/** Asks for the help text instead of a run. */
export const HELP = Symbol('help');

/**
 * Parses arguments as Docker's command does (pflag): `--flag value`, `--flag=value`, `-f value`, `-fvalue`, `-f=value`,
 * combined switches, `--` ends the flags. Without `interspersed` the first argument that is no flag ends them too.
 * @throws UsageError with pflag's wording
 */
export function parseFlags(
  args: readonly string[],
  flags: readonly Flag[],
  { interspersed }: { readonly interspersed: boolean },
): Values | typeof HELP {
  const long = new Map(flags.map(flag => [flag.name, flag]));
  const short = new Map(flags.flatMap(flag => (flag.short === undefined ? [] : [[flag.short, flag]])));
  const given = new Map<string, string[]>();
  const rest: string[] = [];
  const set = (flag: Flag, value: string) => {
    const reason = flag.kind.check(value);
    if (reason !== undefined) {
      const name = flag.short === undefined ? `--${flag.name}` : `-${flag.short}, --${flag.name}`;
      throw new UsageError(`invalid argument ${JSON.stringify(value)} for "${name}" flag: ${reason}`);
    }
    const values = given.get(flag.name);
    if (values) values.push(value);
    else given.set(flag.name, [value]);
  };

  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? '';
    if (arg === '--') {
      rest.push(...args.slice(at + 1));
      break;
    }
    if (arg.startsWith('--')) {
      const equals = arg.indexOf('=');
      const name = arg.slice(2, equals < 0 ? undefined : equals);
      if (name === '' || name.startsWith('-')) throw new UsageError(`bad flag syntax: ${arg}`);
      const flag = long.get(name);
      if (!flag) {
        if (name === 'help') return HELP;
        throw new UsageError(`unknown flag: --${name}`);
      }
      if (equals >= 0) set(flag, arg.slice(equals + 1));
      else if (flag.kind.isSwitch) set(flag, 'true');
      else if (at + 1 < args.length) set(flag, args[++at] ?? '');
      else throw new UsageError(`flag needs an argument: ${arg}`);
    } else if (arg.startsWith('-') && arg.length > 1) {
      for (let letters = arg.slice(1); letters !== ''; ) {
        const letter = letters.charAt(0);
        const flag = short.get(letter);
        if (!flag) {
          if (letter === 'h') return HELP;
          throw new UsageError(`unknown shorthand flag: '${letter}' in -${letters}`);
        }
        const tail = letters.slice(1);
        if (tail.length > 1 && tail.startsWith('=')) set(flag, tail.slice(1));
        else if (flag.kind.isSwitch) {
          set(flag, 'true');
          letters = tail;
          continue;
        } else if (tail !== '') set(flag, tail);
        else if (at + 1 < args.length) set(flag, args[++at] ?? '');
        else throw new UsageError(`flag needs an argument: '${letter}' in -${letters}`);
        break;
      }
    } else if (interspersed) {
      rest.push(arg);
    } else {
      rest.push(...args.slice(at));
      break;
    }
  }
  return new Values(given, rest);
}
