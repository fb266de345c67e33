/**
 * Writes ../tables/*.ts from the libseccomp of this machine: `node generate.ts` (needs gcc and libseccomp-dev).
 * `node generate.ts FILE` takes the lines of syscall-names.c, made elsewhere with a newer libseccomp, from a file.
 * The tables in the tree are those of libseccomp 2.6.1.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const WIDTH = 112;

const lines = process.argv[2] === undefined ? fromLibseccomp() : readFileSync(process.argv[2], 'utf8');
const tables = new Map<string, Map<string, number>>();
for (const line of lines.trim().split('\n')) {
  const [label = '', number = '', name = ''] = line.split(' ');
  let table = tables.get(label);
  if (!table) {
    table = new Map();
    tables.set(label, table);
  }
  table.set(name, Number(number));
}
for (const [label, table] of tables) {
  writeFileSync(join(import.meta.dirname, '..', 'tables', `${label}.ts`), render(label, table));
}

function fromLibseccomp(): string {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-generate-'));
  try {
    const program = join(directory, 'names');
    execFileSync('gcc', ['-o', program, join(import.meta.dirname, 'syscall-names.c'), '-lseccomp']);
    return execFileSync(program, { encoding: 'utf8' });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function render(label: string, table: ReadonlyMap<string, number>): string {
  const words = [...table].sort(([, a], [, b]) => a - b).map(([name, number]) => `${name}:${number}`);
  const rows: string[] = [];
  let row = '';
  for (const word of words) {
    if (row !== '' && row.length + 1 + word.length > WIDTH) {
      rows.push(row);
      row = '';
    }
    row = row === '' ? word : `${row} ${word}`;
  }
  rows.push(row);
  const constant = label.toUpperCase().replaceAll('-', '_');
  return `// Written by seccomp/generate/generate.ts; change that instead.

/** Every system call of ${label} with its number. */
export const ${constant} = \`
${rows.map(text => `  ${text}`).join('\n')}
\`;
`;
}
