import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

type DockerConfig = {
  auths?: Record<string, { auth?: string; username?: string; password?: string; identitytoken?: string }>;
  credsStore?: string;
  credHelpers?: Record<string, string>;
};

const HUB = 'https://index.docker.io/v1/';

/** The X-Registry-Auth header for an image of `fullName`, from Docker's config.json or its credential helper; undefined without a login. */
export function registryAuthorization(fullName: string): string | undefined {
  const domain = fullName.slice(0, fullName.indexOf('/'));
  const server = domain === 'docker.io' ? HUB : domain;
  const config = readConfig();
  const helper = config.credHelpers?.[server] ?? config.credsStore;
  const found = helper ? fromHelper(helper, server) : fromFile(config, server);
  return found && Buffer.from(JSON.stringify({ ...found, serveraddress: server })).toString('base64url');
}

function readConfig(): DockerConfig {
  try {
    const directory = process.env.DOCKER_CONFIG || join(process.env.HOME ?? '/root', '.docker');
    return JSON.parse(readFileSync(join(directory, 'config.json'), 'utf8')) as DockerConfig;
  } catch {
    return {};
  }
}

function fromFile({ auths = {} }: DockerConfig, server: string): Record<string, string> | undefined {
  const entry = auths[server] ?? auths[`https://${server}`] ?? auths[`https://${server}/v1/`];
  if (!entry) return undefined;
  if (entry.identitytoken) return { identitytoken: entry.identitytoken };
  if (!entry.auth) return entry.username ? { username: entry.username, password: entry.password ?? '' } : undefined;
  const [username = '', ...password] = Buffer.from(entry.auth, 'base64').toString().split(':');
  return { username, password: password.join(':') };
}

/** @see docker-credential-helpers, the `get` protocol */
function fromHelper(helper: string, server: string): Record<string, string> | undefined {
  try {
    const answer = execFileSync(`docker-credential-${helper}`, ['get'], {
      input: server,
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    const { Username, Secret } = JSON.parse(answer.toString()) as { Username: string; Secret: string };
    return Username === '<token>' ? { identitytoken: Secret } : { username: Username, password: Secret };
  } catch {
    return undefined; // no login at this registry
  }
}
