import type { EngineContext } from '../context.ts';
import type { SpecContainer } from '../spec/index.ts';
import type { Container } from './container.ts';

/** The container as the spec room wants it. */
export function specContainer(context: EngineContext, { document }: Container): SpecContainer {
  const { id, name, createdNs, config, hostConfig, mounts, imageId } = document;
  return {
    id,
    name,
    createdNs: BigInt(createdNs),
    config,
    hostConfig,
    mounts,
    imageConfig: imageConfig(context, imageId),
  };
}

/** What the image says; nothing when it was removed by force while the container was down. */
function imageConfig(context: EngineContext, imageId: string): SpecContainer['imageConfig'] {
  try {
    return context.options.images.get(imageId).config.config;
  } catch {
    return undefined;
  }
}
