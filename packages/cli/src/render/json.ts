/** Indents JSON without changing anything else of it: order, numbers and escapes stay as they came. */
export function indentJson(text: string, indent: string): string {
  const out: string[] = [];
  let depth = 0;
  /** The last token opened an object or a list, which may turn out empty. */
  let opened = false;
  const newline = () => `\n${indent.repeat(depth)}`;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{}:,]|[^\s[\]{}:,"]+/g)) {
    const closes = token === '}' || token === ']';
    if (closes) {
      depth--;
      if (!opened) out.push(newline());
      out.push(token);
    } else if (token === ',') {
      out.push(token, newline());
    } else if (token === ':') {
      out.push(': ');
    } else {
      if (opened) out.push(newline());
      out.push(token);
    }
    opened = token === '{' || token === '[';
    if (opened) depth++;
  }
  return out.join('');
}
