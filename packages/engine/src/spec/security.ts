import { systemError } from '@gantry/errors';
import type { SeccompProfile } from '@gantry/oci';
import { resolveSeccomp } from '@gantry/runtime';
import type { EngineDefaults } from '../defaults.ts';
import type { HostConfig } from '../documents/index.ts';
import { parseSecurityOptions, type SecurityOptions } from '../validate/security-options.ts';

export type Security = {
  readonly options: SecurityOptions;
  readonly seccomp: SeccompProfile | undefined;
  /** Undefined on a host without AppArmor. */
  readonly apparmorProfile: string | undefined;
};

/** The profile that is loaded for containers on hosts with AppArmor. */
export const DEFAULT_APPARMOR_PROFILE = 'docker-default';

/** How a container is confined beside its namespaces and capabilities. @throws systemError for a broken profile */
export function containerSecurity(host: HostConfig, daemon: EngineDefaults, capabilities: readonly string[]): Security {
  const options = parseSecurityOptions(host.SecurityOpt, daemon.noNewPrivileges);
  if (!daemon.kernel.apparmor && !['', 'unconfined', DEFAULT_APPARMOR_PROFILE].includes(options.apparmor)) {
    throw systemError(
      `the AppArmor profile ${options.apparmor} cannot be applied: AppArmor is not in use on this machine`,
      {
        hint: 'leave out --security-opt apparmor, or install apparmor_parser where the kernel has AppArmor',
      },
    );
  }
  return {
    options,
    seccomp: chooseSeccomp(host, options.seccomp, daemon, capabilities),
    apparmorProfile: apparmorProfile(host, daemon),
  };
}

/** The AppArmor profile of a container and of what is executed in it, for inspect; undefined on a host without AppArmor. */
export function apparmorProfile(host: HostConfig, daemon: EngineDefaults): string | undefined {
  if (!daemon.kernel.apparmor) return undefined;
  const { apparmor } = parseSecurityOptions(host.SecurityOpt, daemon.noNewPrivileges);
  return apparmor || (host.Privileged ? 'unconfined' : DEFAULT_APPARMOR_PROFILE);
}

function chooseSeccomp(
  host: HostConfig,
  own: string,
  daemon: EngineDefaults,
  capabilities: readonly string[],
): SeccompProfile | undefined {
  // A privileged container is only confined by a profile of its own.
  const choice = own || (host.Privileged ? 'unconfined' : daemon.seccompProfile || 'builtin');
  if (choice === 'unconfined') return undefined;
  if (!daemon.kernel.seccomp && !host.Privileged) {
    if (own === '' || own === 'builtin') return undefined;
    throw systemError('seccomp is not enabled in your kernel, cannot run a custom seccomp profile');
  }
  return resolveSeccomp(choice, { capabilities });
}
