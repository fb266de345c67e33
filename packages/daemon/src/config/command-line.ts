import { type Setting, settings } from './settings.ts';
import { ConfigError } from './values.ts';

/** What was given for each setting, by flag name, in order. */
export type Given = ReadonlyMap<string, readonly string[]>;

export type CommandLine =
  | { readonly kind: 'run'; readonly given: Given; readonly validateOnly: boolean }
  | { readonly kind: 'help' }
  | { readonly kind: 'version' };

const byFlag = new Map(settings.map(setting => [setting.flag, setting]));
const byShort = new Map(settings.flatMap(setting => (setting.short === undefined ? [] : [[setting.short, setting]])));

/** Reads the arguments by the rules of dockerd's flags (pflag). @throws ConfigError */
export function parseCommandLine(argv: readonly string[]): CommandLine {
  const given = new Map<string, string[]>();
  const add = ({ flag }: Setting, text: string): void => {
    const texts = given.get(flag);
    if (texts) texts.push(text);
    else given.set(flag, [text]);
  };
  let validateOnly = false;
  const rest = [...argv];
  for (let argument = rest.shift(); argument !== undefined; argument = rest.shift()) {
    if (argument === '--help' || argument === '-h') return { kind: 'help' };
    if (argument === '--version' || argument === '-v') return { kind: 'version' };
    if (argument === '--validate') {
      validateOnly = true;
    } else if (argument.startsWith('--') && argument !== '--') {
      const equals = argument.indexOf('=');
      const name = argument.slice(2, equals < 0 ? undefined : equals);
      const setting = byFlag.get(name);
      if (!setting) throw new ConfigError(`unknown flag: --${name}`);
      if (equals >= 0) add(setting, argument.slice(equals + 1));
      else if (setting.kind === 'switch') add(setting, 'true');
      else add(setting, needed(rest, `flag needs an argument: --${name}`));
    } else if (argument.startsWith('-') && argument.length > 1 && argument !== '--') {
      addShort(argument, rest, add);
    } else {
      throw new ConfigError(`"gantry daemon" accepts no arguments, not ${JSON.stringify(argument)}`);
    }
  }
  return { kind: 'run', given, validateOnly };
}

function addShort(argument: string, rest: string[], add: (setting: Setting, text: string) => void): void {
  for (let at = 1; at < argument.length; at++) {
    const letter = argument.charAt(at);
    const setting = byShort.get(letter);
    if (!setting) throw new ConfigError(`unknown shorthand flag: '${letter}' in ${argument}`);
    const value = argument.slice(at + 1);
    if (setting.kind === 'switch') {
      if (!value.startsWith('=')) {
        add(setting, 'true');
        continue;
      }
      add(setting, value.slice(1));
    } else if (value !== '') add(setting, value.replace(/^=/, ''));
    else add(setting, needed(rest, `flag needs an argument: '${letter}' in ${argument}`));
    return;
  }
}

function needed(rest: string[], problem: string): string {
  const value = rest.shift();
  if (value === undefined) throw new ConfigError(problem);
  return value;
}

/** The text of `gantry daemon --help`. */
export function helpText(): string {
  const rows = settings.map(setting => {
    const name = `${setting.short === undefined ? '    ' : `-${setting.short}, `}--${setting.flag}`;
    const state = setting.only?.length === 0 ? ' (not built yet)' : '';
    return `  ${`${name}${setting.kind === 'switch' ? '' : ` ${setting.kind}`}`.padEnd(38)} ${setting.help}${state}`;
  });
  return [
    '',
    'Usage:  gantry daemon [OPTIONS]',
    '',
    'The engine: runs containers and serves the Docker Engine API.',
    '',
    'Options:',
    ...rows,
    `  ${'    --help'.padEnd(38)} Print usage`,
    `  ${'    --validate'.padEnd(38)} Validate daemon configuration and exit`,
    `  ${'-v, --version'.padEnd(38)} Print version information and quit`,
    '',
  ].join('\n');
}
