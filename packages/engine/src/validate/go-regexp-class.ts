/** What Go's regexp.Compile says about a pattern that is none. */
export class GoRegexpError extends Error {
  constructor(code: string, text: string) {
    super(`error parsing regexp: ${code}: \`${text}\``);
  }
}

/** A character or a set of them, as JavaScript writes it (with the flag v), and how much of the pattern says so. */
export type Escape = { readonly source: string; readonly length: number };

const PERL: Readonly<Record<string, string>> = {
  d: '[0-9]',
  D: '[^0-9]',
  s: '[\\t\\n\\f\\r ]',
  S: '[^\\t\\n\\f\\r ]',
  w: '[0-9A-Za-z_]',
  W: '[^0-9A-Za-z_]',
};

const POSIX: Readonly<Record<string, string>> = {
  alnum: '0-9A-Za-z',
  alpha: 'A-Za-z',
  ascii: '\\x00-\\x7f',
  blank: '\\t ',
  cntrl: '\\x00-\\x1f\\x7f',
  digit: '0-9',
  graph: '\\x21-\\x7e',
  lower: 'a-z',
  print: '\\x20-\\x7e',
  punct: '\\x21-\\x2f\\x3a-\\x40\\x5b-\\x60\\x7b-\\x7e',
  space: '\\t\\n\\v\\f\\r ',
  upper: 'A-Z',
  word: '0-9A-Za-z_',
  xdigit: '0-9A-Fa-f',
};

const CONTROLS: Readonly<Record<string, number>> = { a: 7, f: 12, t: 9, n: 10, r: 13, v: 11 };

/** A character that stands for itself, in a class and outside. */
export function classOf(char: string): string {
  return codeOf(char.codePointAt(0) ?? 0);
}

function codeOf(code: number): string {
  return `\\u{${code.toString(16)}}`;
}

/** `\d`, `\.`, `\x41`, `\101`, `\n` at `start`. @throws GoRegexpError */
export function readEscape(pattern: string, start: number): Escape {
  const perl = PERL[pattern[start + 1] ?? ''];
  if (perl !== undefined) return { source: perl, length: 2 };
  const { code, length } = readCharacter(pattern, start);
  return { source: codeOf(code), length };
}

/** `\pL`, `\p{Greek}`, `\P{^Greek}` at `start`; undefined where there is none. @throws GoRegexpError */
export function readUnicodeClass(pattern: string, start: number): Escape | undefined {
  const rest = pattern.slice(start);
  const head = /^\\[pP](?:\{|(.))/su.exec(rest);
  if (!head) return undefined;
  const end = rest.indexOf('}');
  if (head[1] === undefined && end < 0) throw new GoRegexpError('invalid character class range', rest);
  const text = head[1] === undefined ? rest.slice(0, end + 1) : head[0];
  const braced = head[1] ?? text.slice(3, -1);
  const name = braced.replace(/^\^/, '');
  const letter = text.startsWith('\\P') !== (name !== braced) ? 'P' : 'p';
  for (const candidate of name === 'Any' || /^\p{Lu}\p{Ll}?$/u.test(name) ? [name] : [`Script=${name}`]) {
    const source = `\\${letter}{${candidate}}`;
    if (/^[\w=]+$/.test(candidate) && isPattern(source)) return { source, length: text.length };
  }
  throw new GoRegexpError('invalid character class range', text);
}

function isPattern(source: string): boolean {
  try {
    new RegExp(source, 'v');
    return true;
  } catch {
    return false;
  }
}

/** `[a-z[:digit:]\pL]` at `start`. @throws GoRegexpError */
export function readClass(pattern: string, start: number): { readonly source: string; readonly end: number } {
  let at = start + 1;
  const negated = pattern[at] === '^';
  if (negated) at++;
  const parts: string[] = [];
  const character = (): number => {
    if (at >= pattern.length) throw new GoRegexpError('missing closing ]', pattern.slice(start));
    const plain = pattern.codePointAt(at) ?? 0;
    const { code, length } =
      pattern[at] === '\\' ? readCharacter(pattern, at) : { code: plain, length: String.fromCodePoint(plain).length };
    at += length;
    return code;
  };
  for (let first = true; first || pattern[at] !== ']'; first = false) {
    const rest = pattern.slice(at);
    const end = rest.startsWith('[:') ? rest.indexOf(':]', 2) : -1;
    if (end >= 0) {
      const name = rest.slice(2, end);
      const members = POSIX[name.replace(/^\^/, '')];
      if (members === undefined) throw new GoRegexpError('invalid character class range', rest.slice(0, end + 2));
      parts.push(`[${name.startsWith('^') ? '^' : ''}${members}]`);
      at += end + 2;
      continue;
    }
    const perl = pattern[at] === '\\' ? PERL[pattern[at + 1] ?? ''] : undefined;
    const set = perl === undefined ? readUnicodeClass(pattern, at) : { source: perl, length: 2 };
    if (set) {
      parts.push(set.source);
      at += set.length;
      continue;
    }
    const from = at;
    const low = character();
    let high = low;
    if (pattern[at] === '-' && at + 1 < pattern.length && pattern[at + 1] !== ']') {
      at++;
      high = character();
      if (high < low) throw new GoRegexpError('invalid character class range', pattern.slice(from, at));
    }
    parts.push(low === high ? codeOf(low) : `${codeOf(low)}-${codeOf(high)}`);
  }
  return { source: `[${negated ? '^' : ''}${parts.join('')}]`, end: at + 1 };
}

/** The character that an escape at `start` means. */
function readCharacter(pattern: string, start: number): { readonly code: number; readonly length: number } {
  const rest = pattern.slice(start);
  if (rest === '\\') throw new GoRegexpError('trailing backslash at end of expression', '');
  const octal = /^\\(?:0[0-7]{0,2}|[1-7][0-7]{1,2})/.exec(rest)?.[0];
  if (octal !== undefined) return { code: Number.parseInt(octal.slice(1), 8), length: octal.length };
  const hex = /^\\x(?:\{([0-9a-fA-F]+)\}|([0-9a-fA-F]{2}))/.exec(rest);
  const code = hex && Number.parseInt(hex[1] ?? hex[2] ?? '', 16);
  if (hex && code !== null && code <= 0x10ffff) return { code, length: hex[0].length };
  const char = String.fromCodePoint(pattern.codePointAt(start + 1) ?? 0);
  const control = CONTROLS[char];
  if (control !== undefined) return { code: control, length: 2 };
  const plain = char.charCodeAt(0);
  if (plain < 0x80 && !/[0-9A-Za-z]/.test(char)) return { code: plain, length: 2 };
  const bad = char === 'x' ? (/^\\x(?:\{[0-9a-fA-F]*.?|.{0,2})/su.exec(rest)?.[0] ?? rest) : `\\${char}`;
  throw new GoRegexpError('invalid escape sequence', bad);
}
