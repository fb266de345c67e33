/** Values of templates: what JSON has, bigint, and functions for methods that take arguments (`.Label "x"`). */

/** Go's text for a nil of a known type: `[]`, `map[]`, `<nil>`. */
export class Nil {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toJSON(): null {
    return null;
  }
}

/** A Go struct: its fields in their order, and its methods as functions. Printed as a whole, it shows the fields' values alone. */
export class Struct {
  constructor(members: Readonly<Record<string, unknown>>) {
    Object.assign(this, members);
  }

  toString(): string {
    const fields = Object.values(this).filter(member => typeof member !== 'function');
    return `{${fields.map(field => show(field, true)).join(' ')}}`;
  }
}

export function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Nil);
}

/** What `if` and `and` take for true. */
export function truth(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (value instanceof Nil) return false;
  if (isMap(value)) return Object.keys(value).length > 0;
  return Boolean(value);
}

/** A value as Go's fmt prints it with %v. */
export function show(value: unknown, nested = false): string {
  if (value === null || value === undefined) return nested ? '<nil>' : '<no value>';
  if (value instanceof Nil) return value.text;
  if (Array.isArray(value)) return `[${value.map(item => show(item, true)).join(' ')}]`;
  if (value instanceof Struct) return value.toString();
  if (isMap(value)) {
    const pairs = Object.keys(value)
      .sort()
      .map(key => `${key}:${show(value[key], true)}`);
    return `map[${pairs.join(' ')}]`;
  }
  return String(value);
}

/** JSON as Go writes it: `<`, `>` and `&` escaped when `html`. */
export function toJson(value: unknown, html = false): string {
  const text =
    JSON.stringify(value ?? null, (_, item: unknown) => (typeof item === 'bigint' ? rawNumber(item) : item)) ?? 'null';
  if (!html) return text;
  return text.replace(/[<>&\u2028\u2029]/g, char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

type JsonWithRaw = { rawJSON?: (text: string) => unknown };

function rawNumber(value: bigint): unknown {
  return (JSON as JsonWithRaw).rawJSON?.(value.toString()) ?? Number(value);
}
