import { conflict } from '@gantry/errors';
import type { EngineContext } from '../context.ts';
import type { Filters } from '../engine.ts';
import { checkFilters, matchesPruneLabels, untilFilter } from '../filters.ts';
import { nowNs } from '../time.ts';
import { OWN_PATHS } from './changes.ts';
import { removeContainer } from './remove.ts';

const KEYS = new Set(['label', 'label!', 'until']);

const running = new WeakSet<EngineContext>();

/** Removes the containers that do not run. @throws conflict while another prune runs */
export async function pruneContainers(
  context: EngineContext,
  filters: Filters,
): Promise<{ ContainersDeleted: string[] | null; SpaceReclaimed: number }> {
  checkFilters(filters, KEYS);
  const until = untilFilter(filters, nowNs());
  if (running.has(context)) throw conflict('a prune operation is already running');
  running.add(context);
  try {
    const deleted: string[] = [];
    let reclaimed = 0;
    for (const container of [...context.containers.all()]) {
      if (container.isUp || (until !== undefined && container.createdNs > until)) continue;
      if (!matchesPruneLabels(filters, container.document.config.Labels)) continue;
      try {
        const size = await context.options.images.containerLayerSize(container.id, OWN_PATHS);
        await removeContainer(context, container, { force: false, volumes: false });
        reclaimed += size;
        deleted.push(container.id);
      } catch (error) {
        context.log(`prune container ${container.id}`, error);
      }
    }
    context.events.publish('container', 'prune', '', { reclaimed: String(reclaimed) });
    return { ContainersDeleted: deleted.length === 0 ? null : deleted, SpaceReclaimed: reclaimed };
  } finally {
    running.delete(context);
  }
}
