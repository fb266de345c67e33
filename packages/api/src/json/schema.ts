/**
 * The shape of a request document, named as dockerd's Go types are, since clients see those names in errors.
 * A field that may be left out of the decoded document is `optional`; every other one gets its zero value.
 */
export type Schema =
  | { readonly kind: 'string' | 'bool' | 'int' | 'uint' | 'uint16' | 'float'; readonly go: string }
  /** Any of a string and a list of strings; always decoded to a list. */
  | { readonly kind: 'words' }
  /** Null is kept, and the zero value. */
  | { readonly kind: 'pointer'; readonly to: Schema }
  | { readonly kind: 'list'; readonly of: Schema; readonly go: string; readonly length?: number }
  | { readonly kind: 'map'; readonly of: Schema; readonly go: string }
  | { readonly kind: 'struct'; readonly go: string; readonly fields: Readonly<Record<string, Field>> }
  | { readonly kind: 'any' };

export type Field = { readonly schema: Schema; readonly optional: boolean };

export const string: Schema = { kind: 'string', go: 'string' };
export const named = (go: string): Schema => ({ kind: 'string', go });
export const bool: Schema = { kind: 'bool', go: 'bool' };
export const int: Schema = { kind: 'int', go: 'int' };
export const int64: Schema = { kind: 'int', go: 'int64' };
export const duration: Schema = { kind: 'int', go: 'time.Duration' };
export const uint: Schema = { kind: 'uint', go: 'uint' };
export const uint64: Schema = { kind: 'uint', go: 'uint64' };
export const words: Schema = { kind: 'words' };
export const any: Schema = { kind: 'any' };
export const strings: Schema = { kind: 'list', of: string, go: '[]string' };
export const stringMap: Schema = { kind: 'map', of: string, go: 'map[string]string' };

export const pointer = (to: Schema): Schema => ({ kind: 'pointer', to });
export const list = (of: Schema, go: string, length?: number): Schema => ({ kind: 'list', of, go, length });
export const map = (of: Schema, go: string): Schema => ({ kind: 'map', of, go });

/** A struct; the names in `optional` are left out of the decoded document when the request has none of them. */
export function struct(
  go: string,
  required: Readonly<Record<string, Schema>>,
  optional: Readonly<Record<string, Schema>> = {},
): Schema & { kind: 'struct' } {
  const fields: Record<string, Field> = {};
  for (const [name, schema] of Object.entries(required)) fields[name] = { schema, optional: false };
  for (const [name, schema] of Object.entries(optional)) fields[name] = { schema, optional: true };
  return { kind: 'struct', go, fields };
}
