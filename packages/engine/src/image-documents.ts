import type { StoredImage } from '@gantry/images';
import type { EngineContext } from './context.ts';
import type { ContainerConfig, ImageHistoryItem, ImageInspect, ImageSummary } from './documents/index.ts';
import { descriptor, manifestSummaries } from './image-manifests.ts';
import { NEVER } from './time.ts';

const seconds = (time: string | undefined): number => (time === undefined ? 0 : Math.floor(Date.parse(time) / 1000));

/** An image's configuration as inspect shows it: every key of dockerd, null or empty where the image says nothing. */
export function imageInspect(context: EngineContext, image: StoredImage, withManifests: boolean): ImageInspect {
  const { config } = image;
  const { images: store } = context.options;
  const { target, manifests } = store.manifests(image.id);
  return {
    Id: image.id,
    RepoTags: [...image.repoTags],
    RepoDigests: [...image.repoDigests],
    Parent: image.parentId ?? '',
    Comment: config.history?.at(-1)?.comment ?? '',
    Created: config.created ?? NEVER,
    DockerVersion: '',
    Author: config.author ?? '',
    Config: imageConfig(config.config),
    Architecture: config.architecture,
    ...(config.variant ? { Variant: config.variant } : {}),
    Os: config.os,
    Size: image.sizeBytes,
    GraphDriver: { Data: store.imageGraphDriverData(image.id), Name: store.driver },
    RootFS: { Type: 'layers', Layers: [...config.rootfs.diff_ids] },
    ...(target ? { Descriptor: descriptor(target) } : {}),
    ...(target && withManifests ? { Manifests: manifestSummaries(context, manifests) } : {}),
    Metadata: { LastTagTime: image.lastTaggedAtMs === 0 ? NEVER : new Date(image.lastTaggedAtMs).toISOString() },
  };
}

function imageConfig(config: StoredImage['config']['config']): Partial<ContainerConfig> {
  const { ExposedPorts, Healthcheck, Shell, StopSignal, ArgsEscaped } = config ?? {};
  return {
    ...(ArgsEscaped ? { ArgsEscaped } : {}),
    Cmd: list(config?.Cmd),
    Entrypoint: list(config?.Entrypoint),
    Env: list(config?.Env),
    ...(ExposedPorts ? { ExposedPorts: keys(ExposedPorts) } : {}),
    ...(Healthcheck ? { Healthcheck } : {}),
    Labels: config?.Labels ? { ...config.Labels } : null,
    OnBuild: list(config?.OnBuild),
    ...(Shell ? { Shell: [...Shell] } : {}),
    ...(StopSignal ? { StopSignal } : {}),
    User: config?.User ?? '',
    Volumes: config?.Volumes ? keys(config.Volumes) : null,
    WorkingDir: config?.WorkingDir ?? '',
  };
}

const list = (values: readonly string[] | null | undefined): string[] | null => (values ? [...values] : null);

const keys = (values: Readonly<Record<string, unknown>>): Record<string, Record<string, never>> =>
  Object.fromEntries(Object.keys(values).map(key => [key, {}]));

/** A row of the list; an image of several platforms counts all that is here of them. */
export function imageSummary(context: EngineContext, image: StoredImage, withManifests: boolean): ImageSummary {
  const { images: store } = context.options;
  const { target, manifests } = store.manifests(image.id);
  const here = manifests.flatMap(manifest => manifest.image ?? []);
  const all = here.some(({ id }) => id === image.id) ? here : [image, ...here];
  const layers = new Map(
    all.flatMap(({ id }) => store.layers(id).map(({ chainId, sizeBytes }) => [chainId, sizeBytes] as const)),
  );
  const containers = all.reduce((sum, { id }) => sum + context.containers.ofImage(id).size, 0);
  return {
    Containers: containers,
    Created: seconds(image.config.created),
    Id: image.id,
    Labels: image.config.config?.Labels ? { ...image.config.config.Labels } : null,
    ParentId: image.parentId ?? '',
    RepoDigests: [...image.repoDigests],
    RepoTags: [...image.repoTags],
    SharedSize: -1,
    Size: all.length === 1 ? image.sizeBytes : [...layers.values()].reduce((sum, size) => sum + size, 0),
    ...(target ? { Descriptor: descriptor(target) } : {}),
    ...(target && withManifests ? { Manifests: manifestSummaries(context, manifests) } : {}),
  };
}

/** The steps that made an image, newest first. */
export function imageHistory(image: StoredImage, layerSizes: readonly number[]): ImageHistoryItem[] {
  let layer = 0;
  const items = (image.config.history ?? []).map(
    (step): ImageHistoryItem => ({
      Comment: step.comment ?? '',
      Created: seconds(step.created),
      CreatedBy: step.created_by ?? '',
      Id: '<missing>',
      Size: step.empty_layer ? 0 : (layerSizes[layer++] ?? 0),
      Tags: null,
    }),
  );
  items.reverse();
  const [newest] = items;
  if (newest) {
    newest.Id = image.id;
    newest.Tags = image.repoTags.length === 0 ? null : [...image.repoTags];
  }
  return items;
}
