import { mkdir } from 'node:fs/promises';
import { notFound } from '@gantry/errors';
import type { StateStore } from '@gantry/store';
import { importImage } from './archive/import.ts';
import { loadImages } from './archive/load.ts';
import { saveImages } from './archive/save.ts';
import type { ImageStore, TransferProgress } from './face.ts';
import { commitContainer } from './files/commit.ts';
import { differenceOf } from './files/container-difference.ts';
import { containerFiles } from './files/container-files.ts';
import type { RegistryOptions } from './pull/endpoints.ts';
import { PartialDownloads } from './pull/partial-downloads.ts';
import type { PullContext } from './pull/pull.ts';
import { SharedPulls } from './pull/shared-pulls.ts';
import { seedArchive } from './seed.ts';
import { openDriver } from './storage/open-driver.ts';
import { BlobStore } from './store/blobs.ts';
import { blobsToCondense, condenseBlob } from './store/condense-blobs.ts';
import { ImageDatabase } from './store/database.ts';
import { imageManifests } from './store/image-manifests.ts';
import { ImageRepository } from './store/image-repository.ts';
import { LayerStore } from './store/layer-store.ts';
import { LayerCompressor } from './worker/layer-compressor.ts';
import { Workers } from './worker/workers.ts';

export type ImageStoreOptions = {
  /** Directory that the images own. */
  readonly root: string;
  readonly runDir: string;
  readonly store: StateStore;
  /** `overlay2` or `vfs`; the one used before, or the first that works, when not given. */
  readonly storageDriver?: string;
  readonly registries?: RegistryOptions;
  /** Layers of one pull that are fetched at the same time; 3 when not given. */
  readonly maxConcurrentDownloads?: number;
  /** Layers of one push that are sent at the same time; 5 when not given. */
  readonly maxConcurrentUploads?: number;
};

const THREADS = 5;
/** How many of them pushes may compress in. One stays free for everybody else, also when a layer takes one more. */
const COMPRESSING = THREADS - 2;
/** Copies wait for their clients: they have threads of their own, so that no slow client holds up a pull. */
const FILE_THREADS = 16;

/** Opens the image store below `root`, and removes what an earlier process left unfinished there. */
export async function openImageStore(options: ImageStoreOptions): Promise<ImageStore> {
  const { root, store } = options;
  await mkdir(root, { recursive: true, mode: 0o711 });
  const workers = new Workers(THREADS);
  const fileWorkers = new Workers(FILE_THREADS);
  const previous = ImageDatabase.prepare(store);
  const driver = await openDriver(root, workers, { wanted: options.storageDriver, previous });
  const database = new ImageDatabase(store, driver.name);
  const blobs = await BlobStore.open(root);
  const layers = new LayerStore(driver, workers, database);
  await layers.recover();
  await blobs.sweep(database.documents());
  const images = new ImageRepository(root, database, blobs, layers);
  await layers.sweep();

  const pulls = new SharedPulls();
  const compressor = new LayerCompressor(workers, COMPRESSING);
  const context: PullContext = {
    images,
    registries: options.registries ?? { insecure: [], mirrors: [] },
    maxConcurrentDownloads: options.maxConcurrentDownloads ?? 3,
    partials: await PartialDownloads.open(root),
  };
  const lowerOf = (imageId: string): string[] => database.imageLayers(imageId).map(layer => layer.folder);

  const { registries } = context;

  return {
    registries: {
      login: async (authorization, signal) =>
        (await import('./registry/login.ts')).login(registries, authorization, signal),
      inspect: async (reference, authorization, signal) =>
        (await import('./registry/distribution.ts')).inspectDistribution(registries, reference, authorization, signal),
      download: async (url, signal) => (await import('./registry/download.ts')).openDownload(registries, url, signal),
      manifest: async (reference, question, signal) =>
        (await import('./registry/manifests.ts')).fetchManifest(registries, reference, question, signal),
      putManifest: async (reference, upload, signal) =>
        (await import('./registry/manifests.ts')).putManifest(registries, reference, upload, signal),
      tags: async (repository, authorization, signal) =>
        (await import('./pull/pull.ts')).listTags(registries, repository, authorization, signal),
      configured: async () => (await import('./pull/endpoints.ts')).configuredRegistries(registries),
      referrers: async (reference, artifactType, authorization, signal) => {
        const { listReferrers } = await import('./registry/referrers.ts');
        return await listReferrers(registries, reference, artifactType, authorization, signal);
      },
      search: async (term, limit, authorization, signal) =>
        (await import('./registry/search.ts')).searchImages(registries, term, limit, authorization, signal),
    },
    driver: driver.name,
    driverStatus: () => driver.status,
    list: () => images.list(),
    get: (ref, platform) => images.get(ref, platform),
    manifests: imageId => imageManifests(images, imageId),
    tag: (source, reference) => images.tag(source, reference),
    untag: reference => images.untag(reference),
    leavePlatforms: imageId => images.leavePlatforms(imageId),
    noteUsed: imageId => images.noteUsed(imageId),
    delete: (imageId, deleteOptions) => images.delete(imageId, deleteOptions),
    async pull(reference, { explain = false, ...pullOptions }, progress, signal) {
      // Loaded at the first pull: HTTP clients and TLS are 15 MB.
      const { isTraceMessage, pullImage } = await import('./pull/pull.ts');
      const wanted: TransferProgress = message => {
        if (explain || !isTraceMessage(message)) progress(message);
      };
      return await pulls.run(JSON.stringify([reference, pullOptions]), wanted, signal, (tell, shared) =>
        pullImage(context, reference, pullOptions, tell, shared),
      );
    },
    push: async (reference, pushOptions, progress, signal) => {
      const { pushImages } = await import('./push/push.ts');
      const maxConcurrentUploads = options.maxConcurrentUploads ?? 5;
      const lanes = Math.min(maxConcurrentUploads, COMPRESSING);
      const pushContext = { ...context, maxConcurrentUploads: lanes, compressor };
      await pushImages(pushContext, reference, pushOptions, progress, signal);
    },
    load: (archive, loadOptions, progress, signal) => loadImages(images, archive, loadOptions, progress, signal),
    import: (source, importOptions, signal) => importImage(images, source, importOptions, signal),
    save: async (refs, saveOptions, signal) => saveImages(images, refs, saveOptions, signal),

    async createContainerLayer(containerId, imageId, layerOptions) {
      if (!database.image(imageId)) throw notFound(`No such image: ${imageId}`);
      const below = database.imageLayers(imageId);
      using _ = layers.pin(below.map(layer => layer.key));
      await driver.createContainer(
        containerId,
        below.map(layer => layer.folder),
        layerOptions,
      );
    },
    containerRoot: containerId => driver.containerRoot(containerId),
    imageRoot: imageId => driver.layersRoot(lowerOf(imageId)),
    graphDriverData: containerId => ({ ID: containerId, ...driver.containerData(containerId) }),
    imageGraphDriverData: imageId => driver.layersData(lowerOf(imageId)),
    layers: imageId =>
      database.imageLayers(imageId).map(({ chainId, diffId, sizeBytes }) => ({ chainId, diffId, sizeBytes })),
    async explain(imageId, limit, signal) {
      const below = database.imageLayers(imageId);
      using _ = layers.pin(below.map(layer => layer.key));
      const directories = below.map(layer => driver.layerPath(layer.folder));
      return await fileWorkers.run({ kind: 'explain', directories, limit }, { signal });
    },
    blobsToCondense: () => blobsToCondense(layers, database),
    condense: (digest, signal) => condenseBlob(layers, database, digest, signal),
    layersSize: () => database.layers().reduce((sum, layer) => sum + layer.sizeBytes, 0),

    async removeContainerLayer(containerId) {
      layers.removeLater([await driver.discardContainer(containerId)]);
      await layers.containerGone();
    },
    containerLayers: () => driver.containers(),
    containerLayerSize: (containerId, own = []) =>
      workers.run({ kind: 'size', path: driver.containerTree(containerId), without: own }),

    containerChanges: (containerId, own) =>
      fileWorkers.run({ kind: 'changes', difference: differenceOf(driver, containerId, own) }),
    commit: (containerId, commitOptions, signal) => commitContainer(images, containerId, commitOptions, signal),
    files: containerFiles(fileWorkers),

    seed: path => seedArchive(images, path),
    settled: () => layers.settled(),

    async [Symbol.asyncDispose]() {
      await layers.settled();
      await Promise.all([workers[Symbol.asyncDispose](), fileWorkers[Symbol.asyncDispose]()]);
    },
  };
}
