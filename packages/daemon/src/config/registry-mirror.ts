import { ConfigError } from './values.ts';

/** Checks the URL of a mirror, in dockerd's words, and gives it a slash at its end. @throws ConfigError */
export function checkMirror(mirror: string): string {
  const quoted = JSON.stringify(mirror);
  const [, scheme = '', rest] = /^([^:/]*):\/\/(.*)$/.exec(mirror) ?? [];
  if (scheme === '' || rest === undefined) {
    throw new ConfigError(`invalid mirror: no scheme specified for ${quoted}: must use either 'https://' or 'http://'`);
  }
  if (rest === '') throw new ConfigError(`invalid mirror: no host specified for ${quoted}`);
  if (!URL.canParse(mirror)) throw new ConfigError(`invalid mirror: ${quoted} is not a valid URI`);
  if (scheme !== 'http' && scheme !== 'https') {
    throw new ConfigError(
      `invalid mirror: unsupported scheme ${JSON.stringify(scheme)} in ${quoted}: must use either 'https://' or 'http://'`,
    );
  }
  const { search, hash, username, password } = new URL(mirror);
  if (search !== '' || hash !== '')
    throw new ConfigError(`invalid mirror: query or fragment at end of the URI ${quoted}`);
  if (username !== '' || password !== '') {
    const shown = mirror.replace(/\/\/[^@/]*@/, `//${username}:xxxxx@`);
    throw new ConfigError(`invalid mirror: username/password not allowed in URI ${JSON.stringify(shown)}`);
  }
  return `${mirror.replace(/\/$/, '')}/`;
}
