import type { Command } from './command.ts';
import type { Entry } from './commands/index.ts';
import { entries, nouns } from './commands/index.ts';
import type { Flag } from './flags/flag.ts';

/** Help is set for this width, as Docker's is where there is no terminal. */
const DEFAULT_WIDTH = 80;

/** `Usage:  gantry run [OPTIONS] IMAGE [COMMAND] [ARG...]`. */
export function usageLine(spelling: string, command: Command): string {
  const options = command.flags.some(flag => !flag.hidden) ? ' [OPTIONS]' : '';
  return `Usage:  gantry ${spelling}${options}${command.usage === '' ? '' : ` ${command.usage}`}`;
}

/** The help text of one command. */
export function commandHelp(spelling: string, entry: Entry, command: Command, width = DEFAULT_WIDTH): string {
  const parts = [usageLine(spelling, command), entry.summary];
  if (entry.spellings.length > 1) parts.push(`Aliases:\n  ${entry.spellings.map(name => `gantry ${name}`).join(', ')}`);
  const options = optionsHelp(command.flags, width);
  if (options !== '') parts.push(`Options:\n${options}`);
  return `${parts.join('\n\n')}\n`;
}

/** The help text of a noun: `gantry container`. */
export function nounHelp(noun: string): string {
  const rows = entries.flatMap(entry => {
    const spelling = entry.spellings.find(name => name.startsWith(`${noun} `));
    return spelling === undefined ? [] : [{ name: spelling.slice(noun.length + 1), summary: entry.summary }];
  });
  return (
    `Usage:  gantry ${noun} COMMAND\n\n${nouns.get(noun) ?? ''}\n\nCommands:\n${columns(rows)}\n\n` +
    `Run 'gantry ${noun} COMMAND --help' for more information on a command.\n`
  );
}

const COMMON = ['run', 'exec', 'ps', 'pull', 'images', 'version', 'info'];

/** The help text of the program. */
export function programHelp(globalFlags: readonly Flag[], width = DEFAULT_WIDTH): string {
  const rows = entries.flatMap(entry => {
    const name = entry.spellings.find(spelling => !spelling.includes(' '));
    return name === undefined ? [] : [{ name, summary: entry.summary }];
  });
  const common = rows.filter(row => COMMON.includes(row.name));
  const others = rows.filter(row => !COMMON.includes(row.name)).sort((a, b) => (a.name < b.name ? -1 : 1));
  const management = [...nouns].map(([name, summary]) => ({ name, summary }));
  return [
    'Usage:  gantry [OPTIONS] COMMAND',
    'A container platform in TypeScript, compatible with Docker',
    `Common Commands:\n${columns(common)}`,
    `Management Commands:\n${columns(management)}`,
    `Commands:\n${columns(others)}`,
    `Global Options:\n${optionsHelp(globalFlags, width)}`,
    "Run 'gantry COMMAND --help' for more information on a command.\n",
  ].join('\n\n');
}

function columns(rows: readonly { readonly name: string; readonly summary: string }[]): string {
  const widest = Math.max(11, ...rows.map(row => row.name.length));
  return rows.map(row => `  ${row.name.padEnd(widest)} ${row.summary}`).join('\n');
}

function optionsHelp(flags: readonly Flag[], width: number): string {
  const shown = flags.filter(flag => !flag.hidden).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const heads = shown.map(flag => {
    const label = flag.label ?? flag.kind.label;
    return `  ${flag.short === undefined ? '   ' : `-${flag.short},`} --${flag.name}${label === '' ? '' : ` ${label}`}`;
  });
  const indent = Math.max(0, ...heads.map(head => head.length)) + 3;
  return shown
    .map((flag, at) => {
      const help = flag.fallback === undefined ? flag.help : `${flag.help} (default ${flag.fallback})`;
      return (heads[at] ?? '').padEnd(indent) + wrap(help, width - indent).join(`\n${' '.repeat(indent)}`);
    })
    .join('\n');
}

function wrap(text: string, width: number): string[] {
  return text.split('\n').flatMap(paragraph => {
    const lines: string[] = [];
    let line = '';
    for (const word of paragraph.split(' ')) {
      if (line !== '' && line.length + 1 + word.length > Math.max(24, width)) {
        lines.push(line);
        line = word;
      } else line = line === '' ? word : `${line} ${word}`;
    }
    return [...lines, line];
  });
}
