import { readFile } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { invalidParameter, messageOf } from '@gantry/errors';

/** What a host of a registry may be asked: to say what a tag is, for content by digest, to take content. */
export type Capability = 'pull' | 'resolve' | 'push';

/** One host of a hosts.toml. */
export type HostEntry = {
  /** With a scheme; the path that the file gives is kept. */
  readonly url: URL;
  readonly capabilities: ReadonlySet<Capability>;
  readonly skipVerify: boolean;
  /** The URL is the API's root itself: no `v2/` is put behind it. */
  readonly overridePath: boolean;
  /** Files of authorities. */
  readonly authorities: readonly string[];
  /** Files of a certificate to show, and of its key. */
  readonly clients: readonly { readonly certificate: string; readonly key: string }[];
  readonly headers: Readonly<Record<string, string>>;
  readonly connectTimeoutMs: number | undefined;
};

/** A registry's hosts.toml: its mirrors in order, then the registry itself. */
export type HostsFile = {
  readonly mirrors: readonly HostEntry[];
  /** What the file says of the registry itself; undefined when it says nothing. */
  readonly server: HostEntry | undefined;
};

const ALL: readonly Capability[] = ['pull', 'resolve', 'push'];
const KEYS = new Set([
  'capabilities',
  'ca',
  'client',
  'skip_verify',
  'header',
  'override_path',
  'dial_timeout',
  'server',
  'host',
]);
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000 };

type Table = Readonly<Record<string, unknown>>;

/**
 * Reads `hosts.toml` of a registry's folder, undefined when there is none.
 * @throws invalidParameter, with the file's name, for what is no TOML, or says what is not understood
 * @see containerd's docs/hosts.md
 */
export async function readHostsFile(folder: string): Promise<HostsFile | undefined> {
  const path = join(folder, 'hosts.toml');
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw invalidParameter(`failed to load hosts.toml: ${messageOf(error)}`);
  }
  try {
    // Few machines have such a file, and the parser is loaded for them alone.
    const { parse } = await import('smol-toml');
    return readTables(parse(text), folder);
  } catch (error) {
    throw invalidParameter(`failed to parse hosts.toml: ${path}: ${messageOf(error).split('\n')[0]}`, {
      hint: `correct ${path}, or remove it`,
      cause: error,
    });
  }
}

function readTables(file: Table, folder: string): HostsFile {
  const hosts = file.host === undefined ? {} : tableOf(file.host, 'host');
  const mirrors = Object.entries(hosts).map(([url, table]) => readHost(url, tableOf(table, `host."${url}"`), folder));
  const server = file.server === undefined ? undefined : textOf(file.server, 'server');
  if (server === undefined || server === '') return { mirrors, server: undefined };
  const { host: _, server: __, ...own } = file;
  return { mirrors, server: readHost(server, own, folder) };
}

function readHost(text: string, table: Table, folder: string): HostEntry {
  for (const key of Object.keys(table)) {
    if (!KEYS.has(key)) throw new Error(`${text}: the key ${key} is not known`);
  }
  const withScheme = /^[a-z]+:\/\//i.test(text) ? text : `https://${text}`;
  const url = URL.canParse(withScheme) ? new URL(withScheme) : undefined;
  if (!url || (url.protocol !== 'https:' && url.protocol !== 'http:') || url.host === '') {
    throw new Error(`${text} is no address of a registry: write https://HOST or http://HOST`);
  }
  const at = (path: string): string => (isAbsolute(path) ? path : join(folder, path));
  return {
    url,
    capabilities: capabilitiesOf(table.capabilities),
    skipVerify: table.skip_verify === true,
    overridePath: table.override_path === true,
    authorities: textsOf(table.ca, 'ca').map(at),
    clients: clientsOf(table.client).map(([certificate, key]) => ({ certificate: at(certificate), key: at(key) })),
    headers: headersOf(table.header),
    connectTimeoutMs: table.dial_timeout === undefined ? undefined : durationOf(table.dial_timeout),
  };
}

function capabilitiesOf(value: unknown): Set<Capability> {
  const names = value === undefined ? ALL : textsOf(value, 'capabilities');
  const isKnown = (name: string): name is Capability => (ALL as readonly string[]).includes(name);
  return new Set(
    names.map(name => {
      if (!isKnown(name)) throw new Error(`unknown capability ${name}: there are ${ALL.join(', ')}`);
      return name;
    }),
  );
}

/** One file with both, several such, or pairs of certificate and key. */
function clientsOf(value: unknown): (readonly [string, string])[] {
  if (value === undefined) return [];
  const list = Array.isArray(value) ? value : [value];
  return list.map(item => {
    const [certificate = '', key] = textsOf(item, 'client');
    return [certificate, key === undefined || key === '' ? certificate : key];
  });
}

function headersOf(value: unknown): Record<string, string> {
  if (value === undefined) return {};
  const entries = Object.entries(tableOf(value, 'header'));
  return Object.fromEntries(entries.map(([name, texts]) => [name, textsOf(texts, `header ${name}`).join(', ')]));
}

function durationOf(value: unknown): number {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m)$/.exec(textOf(value, 'dial_timeout')) ?? [];
  if (number === undefined) throw new Error(`dial_timeout is no duration, as "3s"`);
  return Number(number) * (UNITS[unit] ?? 1);
}

function tableOf(value: unknown, what: string): Table {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`${what} is no table`);
  return value as Table;
}

function textOf(value: unknown, what: string): string {
  if (typeof value !== 'string') throw new Error(`${what} is no text`);
  return value;
}

function textsOf(value: unknown, what: string): string[] {
  if (value === undefined) return [];
  return (Array.isArray(value) ? value : [value]).map(item => textOf(item, what));
}
