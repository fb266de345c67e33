import { classOf, type Escape, GoRegexpError, readClass, readEscape, readUnicodeClass } from './go-regexp-class.ts';

const MAX_REPEAT = 1000;

type Flags = { readonly i: boolean; readonly m: boolean; readonly s: boolean; readonly U: boolean };
/** A part of a concatenation, and how often its innermost part may be repeated. */
type Atom = { readonly source: string; readonly times: number };
type Group = { readonly atoms: Atom[]; readonly branches: Atom[][]; readonly outer: Flags };

/**
 * Compiles a pattern in Go's syntax, for `test` alone: it has no captures.
 * @throws GoRegexpError in the words of Go
 * @see https://pkg.go.dev/regexp/syntax
 */
export function goRegexp(pattern: string): RegExp {
  let at = 0;
  let flags: Flags = { i: false, m: false, s: false, U: false };
  let group: Group = { atoms: [], branches: [], outer: flags };
  const open: Group[] = [];
  /** Where the repetition begins that the last atom ended with. */
  let lastRepeat: number | undefined;

  const push = (source: string): void => {
    group.atoms.push({ source: flags.i ? `(?i:${source})` : source, times: 1 });
  };
  const nextGroup = (inner: Flags): void => {
    open.push(group);
    group = { atoms: [], branches: [], outer: flags };
    flags = inner;
  };
  const repeat = (start: number, operator: string, times: number): void => {
    let lazy = flags.U;
    if (pattern[at] === '?') {
      lazy = !lazy;
      at++;
    }
    if (lastRepeat !== undefined) {
      throw new GoRegexpError('invalid nested repetition operator', pattern.slice(lastRepeat, at));
    }
    const atom = group.atoms.pop();
    if (!atom) throw new GoRegexpError('missing argument to repetition operator', pattern.slice(start, at));
    if (times > 1 && atom.times * times > MAX_REPEAT) {
      throw new GoRegexpError('invalid repeat count', pattern.slice(start, at));
    }
    const source = `(?:${atom.source})${operator}${lazy ? '?' : ''}`;
    group.atoms.push({ source, times: atom.times * Math.max(1, times) });
  };

  while (at < pattern.length) {
    const start = at;
    let repeated = false;
    const char = String.fromCodePoint(pattern.codePointAt(at) ?? 0);
    at += char.length;
    if (char === '(') {
      if (pattern[at] !== '?') nextGroup(flags);
      else {
        const { end, inner, opens } = readGroupHead(pattern, start, flags);
        at = end;
        if (opens) nextGroup(inner);
        else flags = inner;
      }
    } else if (char === '|') {
      group.branches.push(group.atoms.splice(0));
    } else if (char === ')') {
      const outer = open.pop();
      if (!outer) throw new GoRegexpError('unexpected )', pattern);
      const atom = closed(group);
      flags = group.outer;
      group = outer;
      group.atoms.push(atom);
    } else if (char === '*' || char === '+' || char === '?') {
      repeat(start, char, 1);
      repeated = true;
    } else if (char === '{') {
      const count = readCount(pattern, start);
      if (count === undefined) push(classOf(char));
      else {
        at += count.text.length - 1;
        repeat(start, count.text, count.times);
        repeated = true;
      }
    } else if (char === '^') push(flags.m ? '(?<![^\\n])' : '(?<![^])');
    else if (char === '$') push(flags.m ? '(?![^\\n])' : '(?![^])');
    else if (char === '.') push(flags.s ? '[^]' : '[^\\n]');
    else if (char === '[') {
      const found = readClass(pattern, start);
      at = found.end;
      push(found.source);
    } else if (char === '\\' && pattern[at] === 'Q') {
      const end = pattern.indexOf('\\E', at);
      for (const literal of pattern.slice(at + 1, end < 0 ? undefined : end)) push(classOf(literal));
      at = end < 0 ? pattern.length : end + 2;
    } else if (char === '\\') {
      const found = anchor(pattern[at]) ?? readUnicodeClass(pattern, start) ?? readEscape(pattern, start);
      at = start + found.length;
      push(found.source);
    } else push(classOf(char));
    lastRepeat = repeated ? start : undefined;
  }
  if (open.length > 0) throw new GoRegexpError('missing closing )', pattern);
  return new RegExp(closed(group).source, 'v');
}

function closed({ atoms, branches }: Group): Atom {
  const all = [...branches, atoms];
  return {
    source: `(?:${all.map(branch => branch.map(({ source }) => source).join('')).join('|')})`,
    times: Math.max(1, ...all.flat().map(({ times }) => times)),
  };
}

function anchor(letter: string | undefined): Escape | undefined {
  const sources: Readonly<Record<string, string>> = { A: '(?<![^])', z: '(?![^])', b: '\\b', B: '\\B' };
  const source = letter === undefined ? undefined : sources[letter];
  return source === undefined ? undefined : { source, length: 2 };
}

/** `{2}`, `{2,}`, `{2,5}`; anything else that begins with a brace is itself. */
function readCount(pattern: string, start: number): { readonly text: string; readonly times: number } | undefined {
  const found = /^\{(0|[1-9]\d*)(?:(,)(0|[1-9]\d*)?)?\}/.exec(pattern.slice(start));
  if (!found) return undefined;
  const [text, least = '', comma, most] = found;
  const [min, max] = [
    Number(least),
    comma === undefined ? Number(least) : most === undefined ? undefined : Number(most),
  ];
  if (min > MAX_REPEAT || (max ?? 0) > MAX_REPEAT || (max !== undefined && min > max)) {
    throw new GoRegexpError('invalid repeat count', text);
  }
  return { text, times: max ?? min };
}

/** What follows `(?`: a name, or flags for what is in the group, or for the rest of the one around it. */
function readGroupHead(
  pattern: string,
  start: number,
  flags: Flags,
): { readonly end: number; readonly inner: Flags; readonly opens: boolean } {
  const rest = pattern.slice(start);
  if (/^\(\?P?</.test(rest)) {
    const end = rest.indexOf('>') + 1;
    const name = /^\(\?P?<[\p{L}\p{Nd}_]+>/u.exec(rest)?.[0];
    if (end === 0 || name === undefined) {
      throw new GoRegexpError('invalid named capture', end === 0 ? rest : rest.slice(0, end));
    }
    return { end: start + end, inner: flags, opens: true };
  }
  const inner: { -readonly [F in keyof Flags]: boolean } = { ...flags };
  let turns = true;
  let saw = false;
  let at = 2;
  for (const letter of rest.slice(2)) {
    at += letter.length;
    if (letter === 'i' || letter === 'm' || letter === 's' || letter === 'U') {
      inner[letter] = turns;
      saw = true;
    } else if (letter === '-' && turns) {
      turns = false;
      saw = false;
    } else if ((letter === ':' || letter === ')') && (turns || saw)) {
      return { end: start + at, inner, opens: letter === ':' };
    } else break;
  }
  throw new GoRegexpError('invalid or unsupported Perl syntax', rest.slice(0, at));
}
