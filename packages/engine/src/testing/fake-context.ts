import { notFound } from '@gantry/errors';
import type { ImageStore, StoredImage } from '@gantry/images';
import { StateStore } from '@gantry/store';
import { Container } from '../containers/container.ts';
import { type ContainerDocument, newFacts } from '../containers/document.ts';
import { EngineContext } from '../context.ts';
import type { EngineOptions } from '../options.ts';
import { fillConfig, fillHostConfig } from '../validate/fill.ts';

/** A context without a kernel below it: state in memory, images as given. */
export function fakeContext(images: readonly StoredImage[] = []): EngineContext {
  return new EngineContext({
    store: new StateStore(':memory:'),
    images: fakeImages([...images]),
    log: () => {},
  } as unknown as EngineOptions);
}

export function fakeContainer(document: Partial<ContainerDocument> & { readonly id: string }): Container {
  return new Container(
    {
      name: document.id,
      createdNs: '1',
      imageId: 'sha256:none',
      path: 'true',
      args: [],
      config: fillConfig({}),
      hostConfig: fillHostConfig({}),
      networks: {},
      mounts: [],
      ...document,
    },
    newFacts(),
  );
}

export function fakeImage(id: string, repoTags: string[], more: Partial<StoredImage> = {}): StoredImage {
  return {
    id: `sha256:${id.repeat(64)}`,
    config: { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [] } },
    configBytes: Buffer.of(),
    repoTags,
    repoDigests: [],
    sizeBytes: 0,
    target: undefined,
    besideNames: [],
    lastTaggedAtMs: 0,
    storedAtMs: 0,
    lastUsedAtMs: 0,
    parentId: undefined,
    ...more,
  };
}

function fakeImages(images: StoredImage[]): ImageStore {
  const without = (names: readonly string[], name: string): string[] => names.filter(known => known !== name);
  return {
    list: () => images,
    layers: () => [],
    manifests: () => ({ target: undefined, manifests: [] }),
    noteUsed: () => {},
    get: (ref: string) => {
      const found = images.find(
        ({ id, repoTags, repoDigests }) =>
          id === ref || id.slice(7).startsWith(ref) || [...repoTags, ...repoDigests].includes(ref),
      );
      if (!found) throw notFound(`No such image: ${ref}`);
      return found;
    },
    untag: async (name: string) => {
      for (const [i, image] of images.entries()) {
        const { repoTags, repoDigests } = image;
        images[i] = { ...image, repoTags: without(repoTags, name), repoDigests: without(repoDigests, name) };
      }
      return [];
    },
    delete: async (id: string) => {
      images.splice(
        images.findIndex(image => image.id === id),
        1,
      );
      return [id, 'sha256:layer'];
    },
  } as unknown as ImageStore;
}
