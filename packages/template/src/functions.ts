import { isMap, Nil, show, toJson, truth } from './values.ts';

export type TemplateFunction = (...args: unknown[]) => unknown;

const wrongKind = (name: string, value: unknown) =>
  new Error(`error calling ${name}: unsupported value ${show(value)}`);

function sizeOf(value: unknown): number {
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (Array.isArray(value)) return value.length;
  if (value instanceof Nil) return 0;
  if (isMap(value)) return Object.keys(value).length;
  throw new Error(`error calling len: len of type ${typeof value}`);
}

function index(value: unknown, ...keys: unknown[]): unknown {
  return keys.reduce((inner, key) => {
    if (Array.isArray(inner)) {
      if (typeof key !== 'number')
        throw new Error(`error calling index: cannot index slice/array with type ${typeof key}`);
      if (key < 0 || key >= inner.length) throw new Error(`error calling index: index out of range: ${key}`);
      return inner[key];
    }
    if (isMap(inner)) return inner[String(key)];
    if (typeof inner === 'string' && typeof key === 'number') return inner.charCodeAt(key);
    if (inner instanceof Nil) return undefined;
    if (inner === null || inner === undefined) throw new Error('error calling index: index of untyped nil');
    throw wrongKind('index', inner);
  }, value);
}

function slice(value: unknown, from = 0, to?: unknown): unknown {
  if (typeof value !== 'string' && !Array.isArray(value)) throw wrongKind('slice', value);
  const end = to === undefined ? value.length : Number(to);
  if (Number(from) > end || end > value.length) throw new Error(`error calling slice: index out of range: ${end}`);
  return value.slice(Number(from), end);
}

const less = (a: unknown, b: unknown) => (typeof a === 'string' ? a < String(b) : Number(a) < Number(b));
const same = (a: unknown, b: unknown) => a === b || (typeof a !== typeof b && show(a) === show(b));

/** `printf` with the verbs that formats use. */
function printf(format: unknown, ...args: unknown[]): string {
  let next = 0;
  const out = String(format).replace(
    /%([-+ 0#]*)(\d+)?(?:\.(\d+))?([a-zA-Z%])/g,
    (_, flags: string, width, precision, verb) => {
      if (verb === '%') return '%';
      if (next >= args.length) return `%!${verb}(MISSING)`;
      const value = args[next++];
      let text: string;
      switch (verb) {
        case 'q':
          text = JSON.stringify(show(value));
          break;
        case 'd':
          text =
            typeof value === 'number' || typeof value === 'bigint'
              ? value.toString()
              : `%!d(${typeof value}=${show(value)})`;
          break;
        case 'x':
          text = typeof value === 'number' ? value.toString(16) : Buffer.from(show(value)).toString('hex');
          break;
        case 'f':
          text = Number(value).toFixed(precision === undefined ? 6 : Number(precision));
          break;
        case 't':
        case 'v':
        case 's':
          text = show(value);
          if (precision !== undefined) text = [...text].slice(0, Number(precision)).join('');
          break;
        default:
          text = `%!${verb}(${typeof value}=${show(value)})`;
      }
      if (width === undefined) return text;
      return flags.includes('-')
        ? text.padEnd(Number(width))
        : text.padStart(Number(width), flags.includes('0') ? '0' : ' ');
    },
  );
  return next < args.length
    ? `${out}%!(EXTRA ${args
        .slice(next)
        .map(value => `${typeof value}=${show(value)}`)
        .join(', ')})`
    : out;
}

/** Go's print puts a space between operands when neither is a string. */
function print(...args: unknown[]): string {
  return args.reduce<string>((out, arg, at) => {
    const gap = at > 0 && typeof arg !== 'string' && typeof args[at - 1] !== 'string' ? ' ' : '';
    return out + gap + show(arg);
  }, '');
}

const title = (value: unknown) =>
  String(value).replace(/(^|[^\p{L}\p{N}_'])(\p{L})/gu, (_, before, letter) => before + letter.toUpperCase());

const HTML: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&#34;', "'": '&#39;' };

/** The functions of Go's templates and Docker's additions; `and` and `or` are the engine's own, since they stop early. */
export const functions: ReadonlyMap<string, TemplateFunction> = new Map<string, TemplateFunction>([
  ['json', value => toJson(value)],
  ['split', (value, separator) => String(value).split(String(separator))],
  ['join', (value, separator) => (Array.isArray(value) ? value.map(item => show(item)).join(String(separator)) : '')],
  ['title', title],
  ['lower', value => String(value).toLowerCase()],
  ['upper', value => String(value).toUpperCase()],
  [
    'pad',
    (value, before, after) => {
      const text = String(value);
      return text === '' ? text : ' '.repeat(Number(before)) + text + ' '.repeat(Number(after));
    },
  ],
  ['truncate', (value, length) => String(value).slice(0, Number(length))],
  ['len', sizeOf],
  ['index', index],
  ['slice', (value, from, to) => slice(value, Number(from ?? 0), to)],
  ['print', print],
  ['println', (...args) => `${args.map(arg => show(arg)).join(' ')}\n`],
  ['printf', printf],
  ['html', (...args) => print(...args).replace(/[&<>"']/g, char => HTML[char] ?? char)],
  ['urlquery', (...args) => encodeURIComponent(print(...args)).replaceAll('%20', '+')],
  ['js', (...args) => JSON.stringify(print(...args)).slice(1, -1)],
  ['not', value => !truth(value)],
  ['eq', (first, ...others) => others.some(other => same(first, other))],
  ['ne', (a, b) => !same(a, b)],
  ['lt', less],
  ['le', (a, b) => less(a, b) || same(a, b)],
  ['gt', (a, b) => !less(a, b) && !same(a, b)],
  ['ge', (a, b) => !less(a, b)],
]);
