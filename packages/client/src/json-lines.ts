/** Splits a body of JSON documents, one a line, into its lines; an unfinished last line counts. */
export async function* lines(body: AsyncIterable<Uint8Array>): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const piece of body) {
    rest += decoder.decode(piece, { stream: true });
    let start = 0;
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n', start)) {
      const line = rest.slice(start, end).trim();
      if (line !== '') yield line;
      start = end + 1;
    }
    rest = rest.slice(start);
  }
  rest = (rest + decoder.decode()).trim();
  if (rest !== '') yield rest;
}

/** The documents of such a body. */
export async function* documents<T>(body: AsyncIterable<Uint8Array>): AsyncGenerator<T, void> {
  for await (const line of lines(body)) yield JSON.parse(line) as T;
}
