import { invalidParameter, messageOf } from '@gantry/errors';
import type { Schema } from './schema.ts';
import { endOfValue } from './syntax.ts';

/**
 * Decodes a request document by the rules of Go's encoding/json: keys in any case, unknown keys ignored, null leaves the
 * zero value, numbers must fit.
 * @throws invalidParameter `invalid JSON: ...` with Go's text
 */
export function decodeJson(text: string, schema: Schema): unknown {
  let document: unknown;
  let trailing = false;
  try {
    document = JSON.parse(text);
  } catch {
    const end = explain(() => endOfValue(text));
    trailing = text.slice(end).trim() !== '';
    document = explain(() => JSON.parse(text.slice(0, end)));
  }
  const decoded = explain(() => decode(document, schema, [], 'root'));
  if (trailing) throw invalidParameter('unexpected content after JSON');
  return decoded;
}

function explain<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw invalidParameter(`invalid JSON: ${messageOf(error)}`, { cause: error });
  }
}

type Path = readonly (string | number)[];

/** The value that Go leaves in a variable nobody has set. */
export function zeroOf(schema: Schema): unknown {
  switch (schema.kind) {
    case 'string':
      return '';
    case 'bool':
      return false;
    case 'int':
    case 'uint':
    case 'uint16':
    case 'float':
      return 0;
    case 'list':
      return schema.length === undefined ? null : Array.from({ length: schema.length }, () => zeroOf(schema.of));
    case 'struct':
      return decodeStruct({}, schema, []);
    case 'words':
    case 'map':
    case 'pointer':
    case 'any':
      return null;
  }
}

function decode(value: unknown, schema: Schema, path: Path, parent: 'root' | 'struct' | 'list'): unknown {
  if (value === null || value === undefined) return zeroOf(schema);
  const mismatch = (go: string, what = describe(value)): Error => {
    const where =
      parent === 'root'
        ? 'Go value'
        : `${parent === 'struct' ? 'Go struct field ' : ''}${path.map(key => `.${pointerText(key)}`).join('')}`;
    return new Error(`json: cannot unmarshal ${what} into ${where} of type ${go}`);
  };
  switch (schema.kind) {
    case 'any':
      return value;
    case 'pointer':
      return decode(value, schema.to, path, parent);
    case 'string':
      if (typeof value !== 'string') throw mismatch(schema.go);
      return value;
    case 'bool':
      if (typeof value !== 'boolean') throw mismatch(schema.go);
      return value;
    case 'float':
      if (typeof value !== 'number') throw mismatch(schema.go);
      return value;
    case 'int':
    case 'uint':
    case 'uint16':
      if (typeof value !== 'number') throw mismatch(schema.go);
      if (!Number.isInteger(value) || !fits(value, schema.kind))
        throw mismatch(schema.go, `number ${numberText(value)}`);
      return value;
    case 'words':
      if (typeof value === 'string') return [value];
      if (!Array.isArray(value))
        throw new Error(`json: cannot unmarshal ${describe(value)} into Go value of type string`);
      return value.map((item, index) => {
        if (item !== null && typeof item !== 'string') {
          throw new Error(`json: cannot unmarshal ${describe(item)} into .${index} of type string`);
        }
        return item ?? '';
      });
    case 'list': {
      if (!Array.isArray(value)) throw mismatch(schema.go);
      const items = value.map((item, index) => decode(item, schema.of, [...path, index], 'list'));
      if (schema.length === undefined) return items;
      while (items.length < schema.length) items.push(zeroOf(schema.of));
      return items.slice(0, schema.length);
    }
    case 'map': {
      if (!isObject(value)) throw mismatch(schema.go);
      const decoded: Record<string, unknown> = {};
      for (const [key, item] of Object.entries(value)) {
        define(decoded, key, decode(item, schema.of, [...path, key], 'struct'));
      }
      return decoded;
    }
    case 'struct':
      if (!isObject(value)) throw mismatch(schema.go);
      return decodeStruct(value, schema, path);
  }
}

function decodeStruct(
  value: Readonly<Record<string, unknown>>,
  schema: Schema & { kind: 'struct' },
  path: Path,
): Record<string, unknown> {
  const given = fieldsOf(value, schema);
  const decoded: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(schema.fields)) {
    const item = given.get(name);
    if (field.optional && (item === undefined || item === null)) continue;
    decoded[name] = decode(item, field.schema, [...path, name], 'struct');
  }
  return decoded;
}

/** The given fields by their proper names; the last of several spellings wins, as in Go. */
function fieldsOf(
  value: Readonly<Record<string, unknown>>,
  schema: Schema & { kind: 'struct' },
): ReadonlyMap<string, unknown> {
  const given = new Map<string, unknown>();
  let folded: Map<string, string> | undefined;
  for (const [key, item] of Object.entries(value)) {
    if (Object.hasOwn(schema.fields, key)) {
      given.set(key, item);
      continue;
    }
    folded ??= foldedNames(schema);
    const name = folded.get(key.toLowerCase());
    if (name !== undefined) given.set(name, item);
  }
  return given;
}

const foldedBySchema = new WeakMap<Schema, Map<string, string>>();

function foldedNames(schema: Schema & { kind: 'struct' }): Map<string, string> {
  let names = foldedBySchema.get(schema);
  if (!names) {
    names = new Map(Object.keys(schema.fields).map(name => [name.toLowerCase(), name]));
    foldedBySchema.set(schema, names);
  }
  return names;
}

/** Sets a key that a client chose; `__proto__` becomes an ordinary one. */
function define(target: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, enumerable: true, writable: true, configurable: true });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function fits(value: number, kind: 'int' | 'uint' | 'uint16'): boolean {
  if (kind === 'uint16') return value >= 0 && value <= 0xffff;
  if (kind === 'uint') return value >= 0 && value < 2 ** 64;
  // 2^63 - 1 rounds up to 2^63 in a double, so the bound itself is let in.
  return value >= -(2 ** 63) && value <= 2 ** 63;
}

function describe(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}

function numberText(value: number): string {
  return Number.isInteger(value) && Math.abs(value) < 2 ** 70 ? BigInt(value).toString() : String(value);
}

function pointerText(key: string | number): string {
  return String(key).replaceAll('~', '~0').replaceAll('/', '~1');
}
