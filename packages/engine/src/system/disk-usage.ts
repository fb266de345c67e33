import { listContainers } from '../containers/list.ts';
import type { EngineContext } from '../context.ts';
import { listImages } from '../image-list.ts';
import { volumeDocument } from '../volumes.ts';

/** The answer of GET /system/df; only the types asked for are measured, all when none is named. */
export async function diskUsage(context: EngineContext, types: ReadonlySet<string>): Promise<Record<string, unknown>> {
  const wants = (type: string): boolean => types.size === 0 || types.has(type);
  const filters = new Map();
  const { images, volumes } = context.options;
  const containers = wants('container')
    ? await listContainers(context, { all: true, limit: 0, size: true, filters })
    : null;
  return {
    LayersSize: wants('image') ? images.layersSize() : 0,
    Images: wants('image') ? listImages(context, { all: false, filters, sharedSize: true }) : null,
    Containers: containers,
    Volumes: wants('volume')
      ? volumes.list().map(volume => ({
          ...volumeDocument(volume),
          // Walking a volume's tree is a matter of minutes for a large one; -1 says that it was not measured.
          UsageData: { RefCount: context.containers.ofVolume(volume.name).size, Size: -1 },
        }))
      : null,
    BuildCache: wants('build-cache') ? [] : null,
  };
}
