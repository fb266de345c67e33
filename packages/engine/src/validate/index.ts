import { notImplemented } from '@gantry/errors';
import type { StoredImage } from '@gantry/images';
import type { EngineDefaults } from '../defaults.ts';
import type { ContainerConfig, HostConfig } from '../documents/index.ts';
import type { ContainerCreate } from '../engine.ts';

export type PreparedCreate = { config: ContainerConfig; hostConfig: HostConfig; warnings: string[] };

/**
 * Checks a create request as dockerd does, merges the image's configuration into it and fills the defaults, so that
 * the two documents returned are what inspect shows. Nothing is made.
 * @param containerId 64 hex digits; gives the default host name
 */
export function prepareCreate(
  _request: ContainerCreate,
  _image: StoredImage,
  _daemon: EngineDefaults,
  _containerId: string,
): PreparedCreate {
  throw notImplemented('validate: in work');
}
