import type { ProcessSpec } from '@gantry/oci';
import type { EngineDefaults } from '../defaults.ts';
import type { HostConfig } from '../documents/index.ts';
import { capabilitySets } from './capabilities.ts';
import { finishEnvironment } from './environment.ts';
import { containerRlimits } from './rlimits.ts';
import type { Security } from './security.ts';
import type { ExecUser } from './user.ts';

/** The OCI process of a container's program or of an exec in it. */
export function processSpec(request: {
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly tty: boolean;
  readonly consoleSize: readonly [height: number, width: number] | undefined;
  readonly user: ExecUser;
  readonly capabilities: readonly string[];
  readonly security: Security;
  readonly hostConfig: HostConfig;
  readonly daemon: EngineDefaults;
}): ProcessSpec {
  const { user, security, hostConfig } = request;
  const [height = 0, width = 0] = request.consoleSize ?? [];
  return {
    terminal: request.tty,
    ...(request.tty && (height > 0 || width > 0) ? { consoleSize: { height, width } } : {}),
    cwd: request.cwd || '/',
    env: finishEnvironment(request.env, user.home),
    args: [...request.args],
    user: { uid: user.uid, gid: user.gid, additionalGids: [...user.groups] },
    capabilities: capabilitySets(request.capabilities),
    rlimits: containerRlimits(hostConfig.Ulimits, request.daemon.ulimits),
    noNewPrivileges: security.options.noNewPrivileges,
    ...(security.apparmorProfile === undefined ? {} : { apparmorProfile: security.apparmorProfile }),
    oomScoreAdj: hostConfig.OomScoreAdj,
  };
}
