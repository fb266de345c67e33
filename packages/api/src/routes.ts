import type { Route } from './http/call.ts';
import { buildRoutes, distributionRoutes } from './nouns/build.ts';
import { containerRoutes } from './nouns/containers.ts';
import { eventRoutes } from './nouns/events.ts';
import { execRoutes } from './nouns/exec.ts';
import { imageRoutes } from './nouns/images.ts';
import { manifestRoutes } from './nouns/manifests.ts';
import { networkRoutes } from './nouns/networks.ts';
import { pluginRoutes } from './nouns/plugins.ts';
import { swarmRoutes } from './nouns/swarm.ts';
import { systemRoutes } from './nouns/system.ts';
import { volumeRoutes } from './nouns/volumes.ts';

/** Every route of the Engine API, in the order in which dockerd tries them. */
export const routes: readonly Route[] = [
  ...containerRoutes,
  ...execRoutes,
  ...imageRoutes,
  ...systemRoutes,
  ...eventRoutes,
  ...volumeRoutes,
  ...buildRoutes,
  ...swarmRoutes,
  ...pluginRoutes,
  ...distributionRoutes,
  ...manifestRoutes,
  ...networkRoutes,
];
