import type { EngineContext } from '../context.ts';
import { OWN_PATHS } from './changes.ts';
import type { Container } from './container.ts';

/** Bytes of the writable layer, and of it with the image. */
export async function containerSizes(
  context: EngineContext,
  { id, document }: Container,
): Promise<{ SizeRw: number; SizeRootFs: number }> {
  const { images } = context.options;
  const writable = await images.containerLayerSize(id, OWN_PATHS);
  let image = 0;
  try {
    image = images.get(document.imageId).sizeBytes;
  } catch {
    // Removed by force.
  }
  return { SizeRw: writable, SizeRootFs: writable + image };
}
