import { listContainers } from '../containers/list.ts';
import type { EngineContext } from '../context.ts';
import type { VolumeDocument } from '../documents/index.ts';
import { listImages } from '../image-list.ts';
import { volumeDocument } from '../volumes.ts';

/** The answer of GET /system/df; only the types asked for are measured, all when none is named. */
export async function diskUsage(context: EngineContext, types: ReadonlySet<string>): Promise<Record<string, unknown>> {
  const wants = (type: string): boolean => types.size === 0 || types.has(type);
  const filters = new Map();
  const { images } = context.options;
  const containers = wants('container')
    ? await listContainers(context, { all: true, limit: 0, size: true, filters })
    : null;
  return {
    LayersSize: wants('image') ? images.layersSize() : 0,
    Images: wants('image') ? listImages(context, { all: false, filters, sharedSize: true, manifests: false }) : null,
    Containers: containers,
    Volumes: wants('volume') ? await volumeUsage(context) : null,
    BuildCache: wants('build-cache') ? [] : null,
  };
}

/** The volumes that are in the data root, with their sizes: those that live elsewhere are not counted, as in Docker. */
async function volumeUsage(context: EngineContext): Promise<VolumeDocument[]> {
  const { volumes } = context.options;
  const sizes = await volumes.sizes(volumes.list().map(({ name }) => name));
  return volumes.list().flatMap(volume => {
    const Size = sizes.get(volume.name);
    if (Size === undefined) return [];
    const UsageData = { RefCount: context.containers.ofVolume(volume.name).size, Size };
    return [{ ...volumeDocument(volume), UsageData }];
  });
}
