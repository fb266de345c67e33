/** A document as dockerd writes it: one line, without HTML escapes. */
export function encodeJson(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

// Since V8 11.4; not in TypeScript's library yet.
const { rawJSON } = JSON as typeof JSON & { rawJSON(text: string): unknown };

/** A line of an event or wait stream: Go's default escapes of <, > and &, and bigints written as integers. */
export function encodeJsonLine(value: unknown): string {
  const text = JSON.stringify(value, (_key, item: unknown) => (typeof item === 'bigint' ? rawJSON(`${item}`) : item));
  return `${text.replace(/[<>&\u2028\u2029]/g, escapeCharacter)}\n`;
}

function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
