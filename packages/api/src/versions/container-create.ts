import type { ContainerConfig, EndpointSettings, HostConfig, MountRequest } from '@gantry/engine';
import { invalidParameter, systemError } from '@gantry/errors';
import type { ApiVersion } from '../http/version.ts';

type Endpoints = Record<string, Partial<EndpointSettings> | null>;
type Create = { config: ContainerConfig; hostConfig: HostConfig; networkingConfig: { EndpointsConfig: Endpoints } };

const endpointSysctls = 'com.docker.network.endpoint.sysctls';

/**
 * Gives a create request the meaning that it had in its API version, in place.
 * @returns warnings for the client
 * @throws invalidParameter for what came with a later version and must not be ignored
 */
export function adaptCreate(version: ApiVersion, request: Create): string[] {
  const { config, hostConfig, networkingConfig } = request;
  const endpoints = networkingConfig.EndpointsConfig;
  const mounts = hostConfig.Mounts ?? [];
  if (version < 25) hostConfig.AutoRemove = false;
  if (version < 40) {
    for (const { BindOptions } of mounts) delete BindOptions?.NonRecursive;
    if (hostConfig.IpcMode === '') hostConfig.IpcMode = 'shareable';
  }
  if (version < 41 && hostConfig.CgroupnsMode === '') hostConfig.CgroupnsMode = 'host';
  if (version < 42) {
    for (const mount of mounts) {
      delete mount.BindOptions?.CreateMountpoint;
      if (mount.Type !== 'volume') delete mount.VolumeOptions;
      if (mount.Type !== 'tmpfs') delete mount.TmpfsOptions;
    }
    hostConfig.ConsoleSize = [0, 0];
  } else for (const mount of mounts) checkMountOptions(mount);
  if (version < 43) delete hostConfig.Annotations;
  if (version < 44) adaptBefore44(request, mounts);
  for (const { VolumeOptions } of mounts) {
    if (version < 45 && VolumeOptions?.Subpath)
      throw invalidParameter('VolumeOptions.Subpath needs API v1.45 or newer');
  }
  if (version < 48) {
    for (const endpoint of Object.values(endpoints)) if (endpoint) delete endpoint.GwPriority;
    if (mounts.some(mount => mount.Type === 'image')) {
      throw invalidParameter('Mount type "Image" needs API v1.48 or newer');
    }
  }
  if (hostConfig.PidsLimit !== null && hostConfig.PidsLimit <= 0) hostConfig.PidsLimit = null;
  return [
    ...volumeDriverWarnings(version, hostConfig, mounts),
    ...moveMacAddress(version, config, hostConfig, endpoints),
    ...moveInterfaceSysctls(version, hostConfig, endpoints),
  ];
}

function checkMountOptions({ Type, VolumeOptions, BindOptions, TmpfsOptions }: MountRequest): void {
  const wrong = (options: string): Error =>
    invalidParameter(`${options} must not be specified on mount type ${JSON.stringify(Type)}`);
  if (VolumeOptions && Type !== 'volume') throw wrong('VolumeOptions');
  if (BindOptions && Type !== 'bind') throw wrong('BindOptions');
  if (TmpfsOptions && Type !== 'tmpfs') throw wrong('TmpfsOptions');
}

function adaptBefore44({ config, networkingConfig }: Create, mounts: readonly MountRequest[]): void {
  delete config.Healthcheck?.StartInterval;
  for (const mount of mounts) {
    if (mount.Type !== 'bind') continue;
    if (mount.BindOptions?.ReadOnlyForceRecursive) {
      throw invalidParameter('BindOptions.ReadOnlyForceRecursive needs API v1.44 or newer');
    }
    // Read-only mounts were not recursive then.
    if (mount.ReadOnly) mount.BindOptions = { ...mount.BindOptions, ReadOnlyNonRecursive: true };
  }
  const names = Object.keys(networkingConfig.EndpointsConfig);
  if (names.length > 1) {
    throw invalidParameter(`Container cannot be created with multiple network endpoints: ${names.join(', ')}`);
  }
}

function volumeDriverWarnings(
  version: ApiVersion,
  { VolumeDriver }: HostConfig,
  mounts: readonly MountRequest[],
): string[] {
  if (VolumeDriver === '' || version < 48) return [];
  const ignored = mounts.some(mount => mount.Type === 'volume' && !mount.VolumeOptions?.DriverConfig?.Name);
  return ignored
    ? [
        "WARNING: the container-wide volume-driver configuration is ignored for volumes specified via 'mount'. Use '--mount type=volume,volume-driver=...' instead",
      ]
    : [];
}

/** The address of a container belongs to its endpoint since API 1.44. */
function moveMacAddress(
  version: ApiVersion,
  config: ContainerConfig,
  hostConfig: HostConfig,
  endpoints: Endpoints,
): string[] {
  const address = config.MacAddress ?? '';
  const attached = hostConfig.NetworkMode === 'bridge' || isUserDefined(hostConfig.NetworkMode);
  if (version < 44) {
    if (address === '') {
      for (const endpoint of Object.values(endpoints)) if (endpoint) delete endpoint.MacAddress;
      return [];
    }
    if (!attached) {
      throw invalidParameter('conflicting options: mac-address and the network mode');
    }
    mainEndpoint(version, hostConfig.NetworkMode, endpoints).MacAddress = address;
    return [];
  }
  if (address === '') return [];
  if (attached) {
    const endpoint = mainEndpoint(version, hostConfig.NetworkMode, endpoints, problem =>
      invalidParameter(`unable to migrate container-wide MAC address to a specific network: ${problem}`),
    );
    if (!endpoint.MacAddress) endpoint.MacAddress = address;
    else if (endpoint.MacAddress !== address) {
      throw invalidParameter(
        'the container-wide MAC address must match the endpoint-specific MAC address for the main network, or be left empty',
      );
    }
  }
  delete config.MacAddress;
  return ['The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead.'];
}

/** Sysctls that name an interface belong to an endpoint since API 1.46. */
function moveInterfaceSysctls(version: ApiVersion, hostConfig: HostConfig, endpoints: Endpoints): string[] {
  const { NetworkMode, Sysctls = {} } = hostConfig;
  if (NetworkMode === 'host' || NetworkMode.startsWith('container:')) return [];
  const moved: string[] = [];
  const settings: string[] = [];
  for (const [key, value] of Object.entries(Sysctls)) {
    const [net, family, group, device = '', ...rest] = key.split('.');
    if (net !== 'net' || !device.startsWith('eth') || rest.length === 0) continue;
    if (version > 47) {
      throw systemError(
        `interface specific sysctl setting ${JSON.stringify(key)} must be supplied using driver option '${endpointSysctls}'`,
      );
    }
    if (device !== 'eth0') {
      throw systemError(
        `unable to determine network endpoint for sysctl ${key}, use driver option '${endpointSysctls}' to set per-interface sysctls`,
      );
    }
    moved.push(key);
    settings.push(`net.${family}.${group}.IFNAME.${rest.join('.')}=${value}`);
  }
  if (moved.length === 0) return [];
  const endpoint = mainEndpoint(version, NetworkMode, endpoints);
  const option = settings.join(',');
  const older = endpoint.DriverOpts?.[endpointSysctls];
  endpoint.DriverOpts = {
    ...endpoint.DriverOpts,
    [endpointSysctls]: older === undefined ? option : `${option},${older}`,
  };
  for (const key of moved) delete Sysctls[key];
  return [
    `Migrated sysctl ${JSON.stringify(moved.join(','))} to DriverOpts{"${endpointSysctls}":${JSON.stringify(option)}}.`,
  ];
}

/** The endpoint that container-wide settings are meant for; made when there is none at all. */
function mainEndpoint(
  version: ApiVersion,
  networkMode: string,
  endpoints: Endpoints,
  problem: (text: string) => Error = invalidParameter,
): Partial<EndpointSettings> {
  const names = Object.keys(endpoints);
  let name: string | undefined = networkMode;
  if (names.length > 0 && version < 44) name = names[0];
  else if (names.length > 0 && !Object.hasOwn(endpoints, networkMode)) name = undefined;
  if (name === undefined) {
    throw problem('HostConfig.NetworkMode must match the identity of a network in NetworkSettings.Networks');
  }
  const endpoint = endpoints[name] ?? {};
  endpoints[name] = endpoint;
  return endpoint;
}

/** A network that is none of those every daemon has. */
export function isUserDefined(networkMode: string): boolean {
  return (
    !['default', 'bridge', 'host', 'none', 'nat', ''].includes(networkMode) && !networkMode.startsWith('container:')
  );
}
