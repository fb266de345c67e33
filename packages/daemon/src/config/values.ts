import { keyOf, type Setting } from './settings.ts';

export type Ulimit = { readonly Name: string; readonly Soft: number; readonly Hard: number };
export type AddressPool = { readonly base: string; readonly size: number };
export type Value =
  | string
  | boolean
  | number
  | readonly string[]
  | Readonly<Record<string, string>>
  | readonly AddressPool[]
  | readonly Ulimit[]
  | Readonly<Record<string, Readonly<Record<string, string>>>>;

/** A problem with the command line or daemon.json, for a person. */
export class ConfigError extends Error {}

/** Reads what was written on the command line for a setting, every time it was given. */
export function fromFlags(setting: Setting, texts: readonly string[]): Value {
  const last = texts.at(-1) ?? '';
  switch (setting.kind) {
    case 'text':
      return last;
    case 'switch':
      if (/^(1|t|T|TRUE|true|True)$/.test(last)) return true;
      if (/^(0|f|F|FALSE|false|False)$/.test(last)) return false;
      throw invalid(setting, last, `strconv.ParseBool: parsing ${JSON.stringify(last)}: invalid syntax`);
    case 'number':
      if (/^-?\d+$/.test(last)) return Number(last);
      throw invalid(setting, last, `strconv.ParseInt: parsing ${JSON.stringify(last)}: invalid syntax`);
    case 'bytes':
      return bytes(setting, last);
    case 'list':
      return texts;
    case 'map':
      return Object.fromEntries(texts.map(text => pair(setting, text)));
    case 'pools':
      return texts.map(text => pool(setting, Object.fromEntries(text.split(',').map(part => pair(setting, part)))));
    case 'ulimits':
      return texts.map(text => ulimit(setting, text));
    case 'options':
      return optionsByDriver(setting, texts);
  }
}

/** Reads the value of a key of daemon.json. */
export function fromFile(setting: Setting, value: unknown): Value {
  const wrong = (): Error =>
    new ConfigError(`the value of ${keyOf(setting)} has the wrong type: ${JSON.stringify(value)}`);
  switch (setting.kind) {
    case 'text':
      if (typeof value === 'string') return value;
      throw wrong();
    case 'switch':
      if (typeof value === 'boolean') return value;
      throw wrong();
    case 'number':
      if (typeof value === 'number' && Number.isInteger(value)) return value;
      throw wrong();
    case 'bytes':
      if (typeof value === 'number') return value;
      if (typeof value === 'string') return bytes(setting, value);
      throw wrong();
    case 'list':
      if (Array.isArray(value) && value.every(item => typeof item === 'string')) return value;
      throw wrong();
    case 'map':
      if (!isObject(value)) throw wrong();
      return Object.fromEntries(
        Object.entries(value).map(([key, item]) => [
          key,
          typeof item === 'object' ? JSON.stringify(item) : String(item),
        ]),
      );
    case 'pools':
      if (!Array.isArray(value)) throw wrong();
      return value.map(item => {
        if (!isObject(item)) throw wrong();
        return pool(setting, item);
      });
    case 'ulimits':
      if (!isObject(value)) throw wrong();
      return Object.entries(value).map(([name, item]) => {
        if (!isObject(item)) throw wrong();
        const { Soft = item.Hard, Hard = item.Soft } = item;
        if (typeof Soft !== 'number' || typeof Hard !== 'number') throw wrong();
        return { Name: name, Soft, Hard };
      });
    case 'options':
      if (!isObject(value)) throw wrong();
      return Object.fromEntries(
        Object.entries(value).map(([driver, options]) => {
          if (!isObject(options)) throw wrong();
          return [driver, Object.fromEntries(Object.entries(options).map(([key, item]) => [key, String(item)]))];
        }),
      );
  }
}

/** @throws ConfigError for a value that would silently be ignored */
export function checkHonoured(setting: Setting, value: Value): void {
  const { only } = setting;
  if (only === undefined) return;
  const texts = Array.isArray(value)
    ? value.map(String)
    : typeof value === 'object'
      ? Object.entries(value).map(([key, item]) => `${key}=${item}`)
      : [String(value)];
  const refused = texts.find(text => !only.includes(text));
  if (refused === undefined) return;
  const honoured = only.filter(text => text !== '');
  throw new ConfigError(
    `the option ${keyOf(setting)} cannot be honoured yet${setting.kind === 'switch' || honoured.length > 0 ? ` with the value ${refused}` : ''}${
      honoured.length > 0 ? ` (only with ${honoured.join(' or ')})` : ''
    }: leave it out to start the daemon without it`,
  );
}

function invalid({ flag, short }: Setting, text: string, reason: string): Error {
  const name = short === undefined ? `--${flag}` : `-${short}, --${flag}`;
  return new ConfigError(`invalid argument ${JSON.stringify(text)} for "${name}" flag: ${reason}`);
}

function pair(setting: Setting, text: string): [string, string] {
  const equals = text.indexOf('=');
  if (equals <= 0) throw invalid(setting, text, 'must be key=value');
  return [text.slice(0, equals), text.slice(equals + 1)];
}

function pool(setting: Setting, { base, size }: Record<string, unknown>): AddressPool {
  const bits = Number(size);
  if (typeof base !== 'string' || !Number.isInteger(bits)) {
    throw invalid(setting, JSON.stringify({ base, size }), 'must have a base and a size');
  }
  return { base, size: bits };
}

/** `bridge=com.docker.network.driver.mtu=1400`, by driver. */
function optionsByDriver(setting: Setting, texts: readonly string[]): Record<string, Record<string, string>> {
  const all: Record<string, Record<string, string>> = {};
  for (const text of texts) {
    const [driver, option] = pair(setting, text);
    const [key, value] = pair(setting, option);
    all[driver] = { ...all[driver], [key]: value };
  }
  return all;
}

function ulimit(setting: Setting, text: string): Ulimit {
  const [, name = '', soft = '', hard = soft] = /^([a-z]+)=(-?\d+)(?::(-?\d+))?$/.exec(text) ?? [];
  if (name === '') throw invalid(setting, text, 'must be name=soft:hard');
  return { Name: name, Soft: Number(soft), Hard: Number(hard) };
}

const units: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
  t: 2 ** 40,
  p: 2 ** 50,
};

function bytes(setting: Setting, text: string): number {
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*([kmgtp]?)i?b?$/i.exec(text.trim()) ?? [];
  const factor = units[unit.toLowerCase()];
  if (number === '' || factor === undefined) throw invalid(setting, text, `invalid size: '${text}'`);
  return Math.floor(Number(number) * factor);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
