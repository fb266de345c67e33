/** A JSON text that Go's encoding/json refuses; the message is Go's own. */
export class JsonSyntaxError extends Error {}

/** Go allows 10 000; this scanner goes down the stack. */
const maxDepth = 2_000;

/**
 * Where the first JSON value of `text` ends, found by the rules and with the errors of Go's scanner.
 * Slow and exact: used only when JSON.parse refused the text.
 * @throws JsonSyntaxError `unexpected EOF`, `invalid character ...`, `exceeded max depth`
 * @see Go's encoding/json, type scanner
 */
export function endOfValue(text: string): number {
  let at = 0;
  const peek = (): string => text.charAt(at);
  const space = (): void => {
    while (' \t\r\n'.includes(text.charAt(at)) && at < text.length) at++;
  };
  const need = (context: string): never => {
    if (at >= text.length) throw new JsonSyntaxError('unexpected EOF');
    throw new JsonSyntaxError(`invalid character ${quoteCharacter(peek())} ${context}`);
  };
  const string = (): void => {
    for (at++; peek() !== '"'; at++) {
      if (at >= text.length || peek() < ' ') need('in string literal');
      if (peek() !== '\\') continue;
      at++;
      if (peek() === 'u') {
        for (let digit = 0; digit < 4; digit++) {
          at++;
          if (!/[0-9a-fA-F]/.test(peek())) need('in \\u hexadecimal character escape');
        }
      } else if (peek() === '' || !'"\\/bfnrt'.includes(peek())) need('in string escape code');
    }
    at++;
  };
  const digits = (): void => {
    while (/\d/.test(peek())) at++;
  };
  const number = (): void => {
    if (peek() === '-') {
      at++;
      if (!/\d/.test(peek())) need('in numeric literal');
    }
    if (peek() === '0') at++;
    else digits();
    if (peek() === '.') {
      at++;
      if (!/\d/.test(peek())) need('after decimal point in numeric literal');
      digits();
    }
    if (peek() === 'e' || peek() === 'E') {
      at++;
      if (peek() === '+' || peek() === '-') at++;
      if (!/\d/.test(peek())) need('in exponent of numeric literal');
      digits();
    }
  };
  const literal = (word: string): void => {
    for (let index = 1; index < word.length; index++) {
      at++;
      if (peek() !== word.charAt(index)) need(`in literal ${word} (expecting '${word.charAt(index)}')`);
    }
    at++;
  };
  const value = (depth: number): void => {
    if (depth > maxDepth) throw new JsonSyntaxError('exceeded max depth');
    space();
    const character = peek();
    if (character === '"') string();
    else if (character === '{') object(depth);
    else if (character === '[') array(depth);
    else if (character === 't') literal('true');
    else if (character === 'f') literal('false');
    else if (character === 'n') literal('null');
    else if (character === '-' || /\d/.test(character)) number();
    else need('looking for beginning of value');
  };
  const object = (depth: number): void => {
    at++;
    space();
    if (peek() === '}') {
      at++;
      return;
    }
    if (peek() !== '"') need('looking for beginning of object key string');
    for (;;) {
      string();
      space();
      if (peek() !== ':') need('after object key');
      at++;
      value(depth + 1);
      space();
      if (peek() === '}') break;
      if (peek() !== ',') need('after object key:value pair');
      at++;
      space();
      if (peek() !== '"') need('looking for beginning of object key string');
    }
    at++;
  };
  const array = (depth: number): void => {
    at++;
    space();
    if (peek() === ']') {
      at++;
      return;
    }
    for (;;) {
      value(depth + 1);
      space();
      if (peek() === ']') break;
      if (peek() !== ',') need('after array element');
      at++;
    }
    at++;
  };
  value(1);
  return at;
}

function quoteCharacter(character: string): string {
  if (character === "'") return "'\\''";
  if (character === '"') return "'\"'";
  return `'${JSON.stringify(character).slice(1, -1)}'`;
}
