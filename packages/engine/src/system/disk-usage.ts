import { listContainers } from '../containers/list.ts';
import type { EngineContext } from '../context.ts';
import { chainIds } from '../image-documents.ts';
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
    LayersSize: wants('image') ? layersSize(context) : 0,
    Images: wants('image')
      ? listImages(context, { all: false, filters, sharedSize: images.layerSizes !== undefined })
      : null,
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

/** Bytes of all layers, each counted once. */
function layersSize({ options: { images } }: EngineContext): number {
  const sizes = new Map<string, number>();
  let whole = 0;
  for (const image of images.list()) {
    const layers = images.layerSizes?.(image.id);
    if (!layers) whole += image.sizeBytes;
    for (const [i, chain] of chainIds(image).entries()) sizes.set(chain, layers?.[i] ?? 0);
  }
  return [...sizes.values()].reduce((sum, size) => sum + size, whole);
}
