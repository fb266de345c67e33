import type { ContainerInspect, ContainerSummary } from '@gantry/engine';
import type { ApiVersion } from '../http/version.ts';
import { isUserDefined } from './container-create.ts';

/** A row of `GET /containers/json` as clients of this version know it; the engine's row is changed in place. */
export function summaryFor(version: ApiVersion, summary: ContainerSummary): ContainerSummary {
  // Annotations came with API 1.46.
  if (version < 46) delete summary.HostConfig.Annotations;
  return summary;
}

/** `GET /containers/{id}/json` as older clients know it. */
export function inspectFor(version: ApiVersion, container: ContainerInspect): ContainerInspect {
  if (version >= 45) return container;
  // Until API 1.45 the names by which a container is found on its network were among its aliases.
  const Networks = Object.fromEntries(
    Object.entries(container.NetworkSettings.Networks).map(([name, endpoint]) => {
      if (!isUserDefined(name)) return [name, endpoint];
      const names = [...(endpoint.Aliases ?? []), container.Id.slice(0, 12), container.Config.Hostname];
      return [name, { ...endpoint, Aliases: [...new Set(names)] }];
    }),
  );
  return { ...container, NetworkSettings: { ...container.NetworkSettings, Networks } };
}
