import { functions } from './functions.ts';

/**
 * Go's text/template, as far as --format uses it.
 * @see pkg.go.dev/text/template
 */
export type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'action'; readonly pipe: Pipe }
  | {
      readonly kind: 'if' | 'with' | 'range';
      readonly pipe: Pipe;
      readonly body: readonly Node[];
      readonly otherwise: readonly Node[];
    }
  | { readonly kind: 'break' | 'continue' };

export type Pipe = {
  readonly variables: readonly string[];
  /** `=` instead of `:=`. */
  readonly assigns: boolean;
  readonly commands: readonly (readonly Operand[])[];
};

export type Operand = (
  | { readonly kind: 'dot' }
  | { readonly kind: 'nil' }
  | { readonly kind: 'literal'; readonly value: string | number | boolean }
  | { readonly kind: 'field' }
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'function'; readonly name: string }
  | { readonly kind: 'pipe'; readonly pipe: Pipe }
) & {
  /** The fields selected from it, `.A.B`. */
  readonly path: readonly string[];
  /** As written, and where, for messages. */
  readonly source: string;
  readonly at: number;
};

/** `and` and `or` stop early, so they are the engine's own. */
const functionNames = new Set([...functions.keys(), 'and', 'or']);

export class TemplateError extends Error {
  override readonly name = 'TemplateError';
}

type Token = {
  readonly kind: 'word' | 'field' | 'variable' | 'string' | 'number' | 'sign';
  readonly text: string;
  readonly at: number;
  readonly spaced: boolean;
};

const TOKEN =
  /(?<space>\s+)|(?<string>"(?:[^"\\\n]|\\.)*"|`[^`]*`|'(?:[^'\\]|\\.)+')|(?<number>[+-]?(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+))|(?<field>\.[\p{L}_][\p{L}\p{N}_]*)|(?<variable>\$[\p{L}\p{N}_]*)|(?<word>[\p{L}_][\p{L}\p{N}_]*)|(?<sign>:=|[=|().,])/uy;

/** Parses a template, called `name` in messages. @throws TemplateError with Go's wording */
export function parseTemplate(source: string, name: string): readonly Node[] {
  return new Parser(source, name).parse();
}

class Parser {
  readonly #source: string;
  readonly #name: string;
  /** The variables declared so far, in this block and around it. */
  #variables = new Set(['$']);
  #at = 0;
  #tokens: Token[] = [];
  #next = 0;
  /** The word that ended the last list: `end`, `else`, or nothing at the end of the text. */
  #closer: { readonly word: '' | 'end' | 'else' } = { word: '' };

  constructor(source: string, name: string) {
    this.#source = source;
    this.#name = name;
  }

  parse(): readonly Node[] {
    const nodes = this.#list();
    if (this.#closer.word !== '') throw this.#error(`unexpected {{${this.#closer.word}}}`);
    return nodes;
  }

  #error(message: string): TemplateError {
    const line = this.#source.slice(0, this.#at).split('\n').length;
    return new TemplateError(`template: ${this.#name}:${line}: ${message}`);
  }

  #list(): Node[] {
    const nodes: Node[] = [];
    for (;;) {
      const open = this.#source.indexOf('{{', this.#at);
      let text = this.#source.slice(this.#at, open < 0 ? undefined : open);
      if (this.#trimNext) text = text.trimStart();
      const trimBefore = open >= 0 && /^\{\{-\s/.test(this.#source.slice(open, open + 4));
      if (trimBefore) text = text.trimEnd();
      if (text !== '') nodes.push({ kind: 'text', text });
      if (open < 0) {
        this.#at = this.#source.length;
        this.#closer = { word: '' };
        return nodes;
      }
      this.#at = open + 2 + (trimBefore ? 1 : 0);
      if (this.#comment()) continue;
      this.#tokenize();
      const first = this.#peek();
      if (!first) throw this.#error('missing value for command');
      if (first.kind === 'word') {
        if (first.text === 'end') {
          this.#closer = { word: 'end' };
          return nodes;
        }
        if (first.text === 'else') {
          this.#next++;
          this.#closer = { word: 'else' };
          return nodes;
        }
        if (first.text === 'break' || first.text === 'continue') {
          nodes.push({ kind: first.text });
          continue;
        }
        if (first.text === 'if' || first.text === 'with' || first.text === 'range') {
          this.#next++;
          nodes.push(this.#control(first.text));
          continue;
        }
      }
      const pipe = this.#pipe();
      this.#finish();
      nodes.push({ kind: 'action', pipe });
    }
  }

  #control(kind: 'if' | 'with' | 'range'): Node {
    if (!this.#peek()) throw this.#error(`missing value for ${kind}`);
    const before = this.#variables.size;
    const known = [...this.#variables];
    const pipe = this.#pipe();
    this.#finish();
    const body = this.#list();
    let otherwise: readonly Node[] = [];
    if (this.#closer.word === 'else') {
      const word = this.#peek();
      if (word?.kind === 'word' && (word.text === 'if' || word.text === 'with')) {
        this.#next++;
        otherwise = [this.#control(word.text)];
        return { kind, pipe, body, otherwise };
      }
      this.#finish();
      otherwise = this.#list();
    }
    if (this.#closer.word !== 'end') throw this.#error('unexpected EOF');
    if (this.#variables.size > before) this.#variables = new Set(known);
    return { kind, pipe, body, otherwise };
  }

  #trimNext = false;

  #comment(): boolean {
    const match = /^\s*\/\*[\s\S]*?\*\/(\s-)?\}\}/.exec(this.#source.slice(this.#at));
    if (!match) return false;
    this.#at += match[0].length;
    this.#trimNext = match[1] !== undefined;
    return true;
  }

  #tokenize(): void {
    this.#tokens = [];
    this.#next = 0;
    let spaced = false;
    for (;;) {
      const close = /^\s*(?:\s-)?\}\}/.exec(this.#source.slice(this.#at));
      if (close) {
        this.#trimNext = close[0].includes('-');
        this.#at += close[0].length;
        return;
      }
      if (this.#at >= this.#source.length) throw this.#error('unclosed action');
      TOKEN.lastIndex = this.#at;
      const groups = TOKEN.exec(this.#source)?.groups;
      if (!groups) {
        const character = this.#source.charAt(this.#at);
        if (character === '"') throw this.#error('unterminated quoted string');
        throw this.#error(`unexpected ${JSON.stringify(character)} in command`);
      }
      const [kind, text] = Object.entries(groups).find(([, value]) => value !== undefined) ?? ['space', ''];
      if (kind === 'space') spaced = true;
      else {
        this.#tokens.push({ kind: kind as Token['kind'], text: text ?? '', at: this.#at, spaced });
        spaced = false;
      }
      this.#at = TOKEN.lastIndex;
    }
  }

  #peek(ahead = 0): Token | undefined {
    return this.#tokens[this.#next + ahead];
  }

  #finish(): void {
    const token = this.#peek();
    if (token) throw this.#error(`unexpected ${JSON.stringify(token.text)} in command`);
  }

  #pipe(): Pipe {
    const variables: string[] = [];
    let assigns = false;
    const second = this.#peek(1);
    if (this.#peek()?.kind === 'variable' && second?.kind === 'sign') {
      if (second.text === ':=' || second.text === '=') {
        variables.push(this.#peek()?.text ?? '');
        assigns = second.text === '=';
        this.#next += 2;
      } else if (second.text === ',') {
        variables.push(this.#peek()?.text ?? '', this.#peek(2)?.text ?? '');
        this.#next += 4;
      }
    }
    for (const name of variables) this.#variables.add(name);
    const commands: Operand[][] = [];
    let command: Operand[] = [];
    for (let token = this.#peek(); ; token = this.#peek()) {
      const ends = !token || (token.kind === 'sign' && token.text === ')');
      if (ends || (token?.kind === 'sign' && token.text === '|')) {
        if (command.length === 0) throw this.#error('missing value for command');
        commands.push(command);
        command = [];
        if (ends) return { variables, assigns, commands };
        this.#next++;
        continue;
      }
      command.push(this.#operand());
    }
  }

  #operand(): Operand {
    const token = this.#peek();
    if (!token) throw this.#error('missing value for command');
    this.#next++;
    // Go places a chain of fields at its second one.
    const following = this.#peek();
    const chained = following?.kind === 'field' && !following.spaced;
    const at = chained ? following.at : token.at;
    const simple = (
      operand: { readonly kind: 'literal'; readonly value: string | number | boolean } | { readonly kind: 'nil' },
    ) => ({
      ...operand,
      path: [],
      source: token.text,
      at,
    });
    switch (token.kind) {
      case 'string':
        return simple({ kind: 'literal', value: unquote(token.text) });
      case 'number':
        return simple({ kind: 'literal', value: Number(token.text) });
      case 'field': {
        const path = [token.text.slice(1), ...this.#path()];
        return { kind: 'field', path, source: `.${path.join('.')}`, at };
      }
      case 'variable': {
        if (!this.#variables.has(token.text)) throw this.#error(`undefined variable ${JSON.stringify(token.text)}`);
        const path = this.#path();
        return { kind: 'variable', name: token.text, path, source: [token.text, ...path].join('.'), at };
      }
      case 'word':
        if (token.text === 'true' || token.text === 'false')
          return simple({ kind: 'literal', value: token.text === 'true' });
        if (token.text === 'nil') return simple({ kind: 'nil' });
        if (!functionNames.has(token.text)) throw this.#error(`function ${JSON.stringify(token.text)} not defined`);
        return { kind: 'function', name: token.text, path: [], source: token.text, at };
      case 'sign':
        if (token.text === '.') return { kind: 'dot', path: [], source: '.', at };
        if (token.text === '(') {
          const pipe = this.#pipe();
          if (this.#peek()?.text !== ')') throw this.#error('unclosed left paren');
          this.#next++;
          return { kind: 'pipe', pipe, path: this.#path(), source: '(...)', at };
        }
        throw this.#error(`unexpected ${JSON.stringify(token.text)} in operand`);
    }
  }

  #path(): string[] {
    const path: string[] = [];
    for (let token = this.#peek(); token?.kind === 'field' && !token.spaced; token = this.#peek()) {
      path.push(token.text.slice(1));
      this.#next++;
    }
    return path;
  }
}

const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  a: '\x07',
  b: '\b',
  f: '\f',
  v: '\v',
  '0': '\0',
};

function unquote(text: string): string {
  if (text.startsWith('`')) return text.slice(1, -1);
  return text.slice(1, -1).replace(/\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))/gs, (_, x, u, other: string) => {
    const code = x ?? u;
    return code === undefined ? (ESCAPES[other] ?? other) : String.fromCodePoint(Number.parseInt(code, 16));
  });
}
