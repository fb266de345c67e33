import { invalidParameter } from '@gantry/errors';
import type { StoredImage } from '@gantry/images';
import type { EngineDefaults } from '../defaults.ts';
import type { ContainerConfig, HostConfig } from '../documents/index.ts';
import type { ContainerCreate } from '../engine.ts';
import { checkConfig } from './config.ts';
import { fillConfig, fillHostConfig } from './fill.ts';
import { adaptHostConfig, checkHostConfig, checkLinuxHostConfig, refuseUnbuilt } from './host-config.ts';
import { prepareLogConfig } from './log-config.ts';
import { maskedPaths, READONLY_PATHS } from './masked-paths.ts';
import { mergeImageConfig } from './merge-image.ts';
import { checkNetworkingConfig, checkNetworkMode } from './network-mode.ts';
import { checkDecodedResources, checkResources } from './resources.ts';
import { parseSecurityOptions } from './security-options.ts';

export { checkRestartPolicy } from './host-config.ts';
export { containerOfMode, isPrivateNetwork, isUserDefinedNetwork } from './modes.ts';
export { checkResources };

export type PreparedCreate = { config: ContainerConfig; hostConfig: HostConfig; warnings: string[] };

/**
 * Checks a create request as dockerd does, merges the image's configuration into it and fills the defaults, so that
 * the two documents returned are what inspect shows. Nothing is made. What depends on other containers is left to the
 * caller: `container:NAME` modes keep the name.
 * @param containerId 64 hex digits; gives the default host name
 * @throws invalidParameter for what dockerd refuses, notImplemented for what Gantry cannot do yet
 */
export function prepareCreate(
  request: ContainerCreate,
  image: StoredImage,
  daemon: EngineDefaults,
  containerId: string,
): PreparedCreate {
  const config = fillConfig(structuredClone(request.config ?? {}));
  const hostConfig = fillHostConfig(structuredClone(request.hostConfig ?? {}));
  if (hostConfig.NetworkMode === '' || hostConfig.NetworkMode === 'default') hostConfig.NetworkMode = 'bridge';

  checkNetworkMode(config, hostConfig);
  checkDecodedResources(hostConfig, daemon.kernel);
  checkMountOptions(hostConfig);
  if (hostConfig.PidsLimit !== null && hostConfig.PidsLimit <= 0) hostConfig.PidsLimit = null;
  hostConfig.RestartPolicy.Name ||= 'no';

  checkConfig(config);
  const warnings = [...checkHostConfig(hostConfig), ...checkLinuxHostConfig(hostConfig, daemon)];
  checkNetworkingConfig(request.networkingConfig);
  adaptHostConfig(hostConfig, daemon);

  mergeImageConfig(config, image.config.config);
  if ((config.Entrypoint?.length ?? 0) === 0 && (config.Cmd?.length ?? 0) === 0) {
    throw invalidParameter('no command specified');
  }
  hostConfig.LogConfig = prepareLogConfig(hostConfig.LogConfig, daemon);
  config.Hostname ||= hostConfig.NetworkMode === 'host' ? daemon.hostname : containerId.slice(0, 12);
  parseSecurityOptions(hostConfig.SecurityOpt, daemon.noNewPrivileges);
  refuseUnbuilt(hostConfig);
  if (!hostConfig.Privileged) {
    hostConfig.MaskedPaths ??= [...maskedPaths()];
    hostConfig.ReadonlyPaths ??= [...READONLY_PATHS];
  }
  return { config: fillConfig(config), hostConfig, warnings };
}

function checkMountOptions(host: HostConfig): void {
  for (const mount of host.Mounts ?? []) {
    for (const [key, type] of [
      ['VolumeOptions', 'volume'],
      ['BindOptions', 'bind'],
      ['TmpfsOptions', 'tmpfs'],
    ] as const) {
      if (mount[key] && mount.Type !== type) {
        throw invalidParameter(`${key} must not be specified on mount type ${JSON.stringify(mount.Type)}`);
      }
    }
  }
}
