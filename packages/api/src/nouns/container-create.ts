import type { ContainerConfig, ContainerCreate, EndpointSettings, HostConfig } from '@gantry/engine';
import { invalidParameter } from '@gantry/errors';
import { containerConfig } from '../documents/container-config.ts';
import { hostConfig as hostConfigSchema } from '../documents/host-config.ts';
import { createRequest } from '../documents/requests.ts';
import { readRequiredJson } from '../http/body.ts';
import type { Call } from '../http/call.ts';
import { sendJson } from '../http/reply.ts';
import { zeroOf } from '../json/decode.ts';
import { adaptCreate } from '../versions/container-create.ts';

type CreateBody = Partial<ContainerConfig> & {
  HostConfig?: HostConfig;
  NetworkingConfig?: { EndpointsConfig: Record<string, Partial<EndpointSettings> | null> | null };
};

/** `POST /containers/create`. */
export async function create(call: Call): Promise<void> {
  const body = (await readRequiredJson(call, createRequest)) as CreateBody | null;
  const { HostConfig, NetworkingConfig, ...given } = body ?? {};
  if (Object.keys(given).length === 0) throw invalidParameter('config cannot be empty in order to create a container');
  const config = { ...(zeroOf(containerConfig) as ContainerConfig), ...given };
  config.Volumes ??= {};
  const hostConfig = HostConfig ?? (zeroOf(hostConfigSchema) as HostConfig);
  const endpoints = { ...NetworkingConfig?.EndpointsConfig };
  if (hostConfig.NetworkMode === '' || hostConfig.NetworkMode === 'default') {
    hostConfig.NetworkMode = 'bridge';
    if (Object.hasOwn(endpoints, 'default')) {
      endpoints.bridge = endpoints.default ?? null;
      delete endpoints.default;
    }
  }
  const request = { config, hostConfig, networkingConfig: { EndpointsConfig: endpoints } };
  const warnings = adaptCreate(call.version, request);
  const platform = call.version >= 41 ? call.query.get('platform') : '';
  const containerName = call.query.get('name');
  const created = await call.engine.containers.create(
    {
      ...request,
      name: containerName === '' ? undefined : containerName,
      platform: platform === '' ? undefined : platform,
    } satisfies ContainerCreate,
    call.signal,
  );
  sendJson(call, 201, { Id: created.Id, Warnings: [...created.Warnings, ...warnings] });
}
