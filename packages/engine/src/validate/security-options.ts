import { invalidParameter, systemError } from '@gantry/errors';
import { goBoolean } from './go-boolean.ts';

/** What `--security-opt` said. */
export type SecurityOptions = {
  noNewPrivileges: boolean;
  /** undefined when not given: then it is what privileged is. */
  writableCgroups: boolean | undefined;
  /** Empty when not given. */
  apparmor: string;
  /** Empty when not given; `unconfined`, `builtin`, or a profile's JSON text. */
  seccomp: string;
};

/**
 * Parses `--security-opt` values. Labels are accepted and have no effect, as on every host without SELinux.
 * @throws system with dockerd's text for an option that it does not know
 */
export function parseSecurityOptions(given: readonly string[] | null, noNewPrivileges: boolean): SecurityOptions {
  const options: SecurityOptions = { noNewPrivileges, writableCgroups: undefined, apparmor: '', seccomp: '' };
  for (const option of given ?? []) {
    if (option === 'disable') continue;
    const separator = option.includes('=') ? '=' : ':';
    const at = option.indexOf(separator);
    const key = at < 0 ? option : option.slice(0, at);
    const value = at < 0 ? undefined : option.slice(at + 1);
    const flag = value === undefined ? true : goBoolean(value);
    if (value === undefined && key !== 'no-new-privileges' && key !== 'writable-cgroups') {
      throw systemError(`invalid --security-opt 1: ${JSON.stringify(option)}`);
    }
    const unknown = systemError(`invalid --security-opt 2: ${JSON.stringify(option)}`);
    switch (key) {
      case 'label':
        break;
      case 'apparmor':
        options.apparmor = value ?? '';
        break;
      case 'seccomp':
        options.seccomp = value ?? '';
        if (options.seccomp !== '' && !['unconfined', 'builtin'].includes(options.seccomp)) {
          checkProfileText(options.seccomp);
        }
        break;
      case 'no-new-privileges':
        if (flag === undefined) throw unknown;
        options.noNewPrivileges = flag;
        break;
      case 'writable-cgroups':
        if (flag === undefined) throw unknown;
        options.writableCgroups = flag;
        break;
      default:
        throw unknown;
    }
  }
  return options;
}

/** dockerd finds a broken profile when the container starts; a client is told at once here. */
function checkProfileText(text: string): void {
  try {
    JSON.parse(text);
  } catch (error) {
    throw invalidParameter(`Decoding seccomp profile failed: ${error instanceof Error ? error.message : error}`, {
      hint: 'the option takes the content of a profile, or unconfined, or builtin',
    });
  }
}
