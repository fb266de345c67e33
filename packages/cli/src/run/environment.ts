import { readFileSync } from 'node:fs';

/** Variables of the files, then of the flags; a name alone takes the value that this process has. @throws Error with Docker's wording */
export function environment(files: readonly string[], given: readonly string[], own: NodeJS.ProcessEnv): string[] {
  const fromFiles = files.flatMap(file =>
    readLines(file, line => {
      const equals = line.indexOf('=');
      const name = equals < 0 ? line : line.slice(0, equals);
      checkName(file, name, line);
      if (equals >= 0) return line;
      const value = own[line.trim()];
      return value === undefined ? undefined : `${line.trim()}=${value}`;
    }),
  );
  return [
    ...fromFiles,
    ...given.map(variable =>
      variable.includes('=') || own[variable] === undefined ? variable : `${variable}=${own[variable]}`,
    ),
  ];
}

/** Labels of the files, then of the flags. @throws Error */
export function labels(files: readonly string[], given: readonly string[]): Record<string, string> {
  const fromFiles = files.flatMap(file =>
    readLines(file, line => {
      checkName(file, line.split('=')[0] ?? '', line);
      return line;
    }),
  );
  return pairs([...fromFiles, ...given]);
}

/** `key=value` texts as an object; the last one of a key counts. */
export function pairs(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map(text => {
      const equals = text.indexOf('=');
      return equals < 0 ? [text, ''] : [text.slice(0, equals), text.slice(equals + 1)];
    }),
  );
}

function checkName(file: string, name: string, line: string): void {
  if (name === '') throw new Error(`invalid env file (${file}): no variable name on line '${line}'`);
  if (/\s/.test(name)) throw new Error(`invalid env file (${file}): variable '${name}' contains whitespaces`);
}

function readLines(file: string, read: (line: string) => string | undefined): string[] {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    const reason =
      code === 'ENOENT' ? 'no such file or directory' : code === 'EISDIR' ? 'is a directory' : 'permission denied';
    throw new Error(`open ${file}: ${reason}`);
  }
  const lines = bytes
    .toString('utf8')
    .replace(/^\ufeff/, '')
    .split('\n');
  return lines.flatMap((raw, at) => {
    if (raw.includes('\ufffd'))
      throw new Error(`invalid env file (${file}): invalid utf8 bytes at line ${at + 1}: ${JSON.stringify(raw)}`);
    const line = raw.replace(/\r$/, '').trimStart();
    if (line === '' || line.startsWith('#')) return [];
    const value = read(line);
    return value === undefined ? [] : [value];
  });
}
