import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ExitError } from './errors.ts';
import type { Values } from './flags/parse.ts';

/** Docker's config.json, as far as it is about registries; what else is in it stays as it is. */
type DockerConfig = {
  auths?: Record<string, { auth?: string; username?: string; password?: string; identitytoken?: string }>;
  credsStore?: string;
  credHelpers?: Record<string, string>;
};

export type Credentials =
  | { readonly username: string; readonly password: string }
  | { readonly username?: string; readonly identitytoken: string };

/** The server that stands for Docker Hub in config.json. */
export const HUB = 'https://index.docker.io/v1/';

/** The server under which the credentials of a registry are kept: its host, or Docker Hub's own address. */
export function serverOf(registry: string): string {
  const host = registry.replace(/^https?:\/\//, '').replace(/\/.*$/s, '');
  return host === '' || host === 'docker.io' || host === 'index.docker.io' || host === 'registry-1.docker.io'
    ? HUB
    : host;
}

/** The X-Registry-Auth header for an image of `fullName`; undefined without a login. */
export function registryAuthorization(globals: Values, fullName: string): string | undefined {
  return storedAuthorization(globals, fullName.slice(0, fullName.indexOf('/')));
}

/** The X-Registry-Auth header for a registry, from Docker's config.json or its credential helper; undefined without a login. */
export function storedAuthorization(globals: Values, registry: string): string | undefined {
  const server = serverOf(registry);
  const found = storedCredentials(globals, server);
  return found && Buffer.from(JSON.stringify({ ...found, serveraddress: server })).toString('base64url');
}

/** What was kept at the last login at `server`. */
export function storedCredentials(globals: Values, server: string): Credentials | undefined {
  const config = readConfig(globals);
  const helper = helperOf(config, server);
  return helper ? fromHelper(helper, server) : fromFile(config, server);
}

/**
 * Keeps credentials, by the credential helper where one is configured.
 * @returns the file in which they are readable to whoever can read it; undefined when a helper has them
 * @throws ExitError when the helper refuses them
 */
export function keepCredentials(globals: Values, server: string, credentials: Credentials): string | undefined {
  const config = readConfig(globals, { toWrite: true });
  const helper = helperOf(config, server);
  if (helper) {
    const [Username, Secret] =
      'identitytoken' in credentials
        ? ['<token>', credentials.identitytoken]
        : [credentials.username, credentials.password];
    askHelper(helper, 'store', JSON.stringify({ ServerURL: server, Username, Secret }));
    // That the helper has them shows which servers there are to log out of.
    writeConfig(globals, { ...config, auths: { ...config.auths, [server]: {} } });
    return undefined;
  }
  const auth = (name: string, secret: string) => Buffer.from(`${name}:${secret}`).toString('base64');
  const entry =
    'identitytoken' in credentials
      ? { auth: auth(credentials.username ?? '', ''), identitytoken: credentials.identitytoken }
      : { auth: auth(credentials.username, credentials.password) };
  return writeConfig(globals, { ...config, auths: { ...config.auths, [server]: entry } });
}

/** Forgets the credentials of `server`, wherever they are kept. */
export function forgetCredentials(globals: Values, server: string): void {
  const config = readConfig(globals, { toWrite: true });
  const helper = helperOf(config, server);
  if (helper) askHelper(helper, 'erase', server);
  const auths = Object.entries(config.auths ?? {}).filter(([name]) => !spellings(server).includes(name));
  if (auths.length === Object.keys(config.auths ?? {}).length) return;
  const { auths: _, ...others } = config;
  writeConfig(globals, auths.length === 0 ? others : { ...others, auths: Object.fromEntries(auths) });
}

const spellings = (server: string): readonly string[] => [
  server,
  `https://${server}`,
  `http://${server}`,
  `https://${server}/v1/`,
];

function helperOf(config: DockerConfig, server: string): string | undefined {
  return config.credHelpers?.[server] ?? config.credsStore;
}

/** Where Docker's command line keeps what belongs to a user. */
export function configDirectory(globals: Values): string {
  return globals.text('config') || process.env.DOCKER_CONFIG || join(process.env.HOME ?? '/root', '.docker');
}

const configPath = (globals: Values): string => join(configDirectory(globals), 'config.json');

/** @throws ExitError for a file that is no JSON, when it is to be written again */
function readConfig(globals: Values, { toWrite = false }: { readonly toWrite?: boolean } = {}): DockerConfig {
  const path = configPath(globals);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return {}; // nobody has logged in yet
  }
  try {
    return (text.trim() === '' ? {} : JSON.parse(text)) as DockerConfig;
  } catch (error) {
    if (!toWrite) return {};
    throw new ExitError(
      1,
      `${path}: ${error instanceof Error ? error.message : String(error)}: mend it, or move it away`,
    );
  }
}

/** Replaces the file in one step. Returns its path. */
function writeConfig(globals: Values, config: DockerConfig): string {
  const path = configPath(globals);
  mkdirSync(join(path, '..'), { recursive: true, mode: 0o700 });
  const mode = (statSync(path, { throwIfNoEntry: false })?.mode ?? 0o600) & 0o777;
  writeFileSync(`${path}.${process.pid}`, JSON.stringify(config, undefined, '\t'), { mode });
  renameSync(`${path}.${process.pid}`, path);
  return path;
}

function fromFile({ auths = {} }: DockerConfig, server: string): Credentials | undefined {
  const entry = spellings(server)
    .map(name => auths[name])
    .find(found => found !== undefined);
  if (!entry) return undefined;
  const [username = '', ...password] = Buffer.from(entry.auth ?? '', 'base64')
    .toString()
    .split(':');
  if (entry.identitytoken) return { username, identitytoken: entry.identitytoken };
  if (!entry.auth) return entry.username ? { username: entry.username, password: entry.password ?? '' } : undefined;
  return { username, password: password.join(':') };
}

function fromHelper(helper: string, server: string): Credentials | undefined {
  try {
    const { Username, Secret } = JSON.parse(askHelper(helper, 'get', server)) as { Username: string; Secret: string };
    return Username === '<token>' ? { identitytoken: Secret } : { username: Username, password: Secret };
  } catch {
    return undefined; // no login at this registry
  }
}

/** @see docker-credential-helpers: the verbs `store`, `get`, `erase` of `docker-credential-NAME`, its input on stdin */
function askHelper(helper: string, verb: 'store' | 'get' | 'erase', input: string): string {
  const program = `docker-credential-${helper}`;
  try {
    return execFileSync(program, [verb], { input, stdio: ['pipe', 'pipe', 'pipe'] }).toString();
  } catch (error) {
    const { code, stdout } = error as NodeJS.ErrnoException & { stdout?: Buffer };
    const why =
      code === 'ENOENT' ? `exec: "${program}": executable file not found in $PATH` : stdout?.toString().trim();
    throw new ExitError(
      1,
      `error ${verb === 'store' ? 'storing' : verb === 'erase' ? 'erasing' : 'getting'} credentials - err: ${why ?? String(error)}`,
    );
  }
}
