import { mkdir } from 'node:fs/promises';
import { invalidParameter, isGantryError } from '@gantry/errors';
import type { StoredImage } from '@gantry/images';
import { CleanupStack } from '@gantry/jobs';
import { parsePlatform } from '@gantry/oci';
import type { VolumeStore } from '@gantry/volumes';
import type { EngineContext } from '../context.ts';
import { closeDescriptor } from '../descriptor.ts';
import type { HostConfig } from '../documents/index.ts';
import type { ContainerCreate } from '../engine.ts';
import { commandLine, markRoot, needsPopulate, populateVolumes, resolveMounts } from '../spec/index.ts';
import { nowNs } from '../time.ts';
import { prepareCreate } from '../validate/index.ts';
import { layerLimit } from '../validate/storage-opt.ts';
import { volumesWithEvents } from '../volume-events.ts';
import { Container } from './container.ts';
import { newFacts } from './document.ts';
import { linksOfRequest } from './links.ts';
import { checkWantedNetworks, sharedWith, wantedNetworks } from './networks.ts';
import { toTrash } from './trash.ts';

/**
 * Makes a container: its document, its writable layer, its volumes. Nothing of it remains when a step fails.
 * @throws notFound (image, its platform, container of --volumes-from), conflict (name), invalidParameter
 */
export function createContainer(
  context: EngineContext,
  request: ContainerCreate,
  signal?: AbortSignal,
): Promise<{ Id: string; Warnings: string[] }> {
  const { containers, options, storage } = context;
  const id = containers.newId();
  return context.jobs.run(
    'container.create',
    id,
    async job => {
      const image = imageFor(context, request);
      const { config, hostConfig, warnings } = prepareCreate(request, image, options.defaults, id);
      nameOwnersById(context, hostConfig);
      const links = linksOfRequest(context, hostConfig);
      const networks = wantedNetworks(config, hostConfig, request.networkingConfig);
      checkWantedNetworks(options, networks);

      await using undo = new CleanupStack((what, error) => context.log(`create ${id}: ${what}`, error));
      const name = containers.reserveName(id, request.name);
      undo.push('release the name', () => containers.releaseName(name));
      const directory = context.containerDir(id);
      using claims = new DisposableStack();
      const volumes = claimingVolumes(context, id, claims);
      const [directoryMade, layerMade, mountsMade] = await Promise.allSettled([
        job.span('make the directory', () => mkdir(directory, { mode: 0o710 })),
        job.span('make the layer', () =>
          options.images.createContainerLayer(id, image.id, {
            volatile: hostConfig.AutoRemove,
            limitBytes: layerLimit(hostConfig.StorageOpt ?? {}, options.images.driver),
          }),
        ),
        job.span('decide the mounts', () =>
          resolveMounts({
            containerId: id,
            dataRoot: options.dataRoot,
            config,
            hostConfig,
            volumes,
            findContainer: ref => ({ mounts: containers.find(ref).document.mounts }),
            findImage: ref => options.images.get(ref).id,
          }),
        ),
      ]);
      if (directoryMade.status === 'fulfilled') {
        undo.push('remove the directory', () => toTrash(context, directory, id));
      }
      if (layerMade.status === 'fulfilled')
        undo.push('remove the layer', () => options.images.removeContainerLayer(id));
      const mounts = mountsMade.status === 'fulfilled' ? mountsMade.value : [];
      undo.push('remove its volumes', async () => {
        for (const { anonymous, name: volume } of mounts) {
          if (anonymous && volume !== undefined) await volumes.remove(volume);
        }
      });
      for (const result of [directoryMade, layerMade, mountsMade])
        if (result.status === 'rejected') throw result.reason;

      if (await needsPopulate(mounts, volumes)) {
        await job.span('fill the volumes', async () => {
          const rootFd = await context.mountRoot(options.images.containerRoot(id));
          try {
            // What the engine makes in every root is there before a volume takes it over.
            markRoot(rootFd);
            await populateVolumes({ mounts, volumes, rootFd });
          } finally {
            closeDescriptor(rootFd);
          }
        });
      }
      job.throwIfCancelled();

      const [path = '', ...args] = commandLine(config);
      const container = new Container(
        {
          id,
          name,
          createdNs: nowNs().toString(),
          imageId: image.id,
          path,
          args,
          config,
          hostConfig,
          networks,
          mounts,
          ...(links.length > 0 ? { links } : {}),
        },
        newFacts(),
      );
      await job.span('write the state', () => storage.insert(container));
      containers.add(container);
      undo.commit();
      context.containerEvent(container, 'create');
      return { Id: id, Warnings: warnings };
    },
    signal,
  );
}

/** The volumes, where nobody removes one that was found or made for this container before it is there. */
function claimingVolumes(context: EngineContext, id: string, claims: DisposableStack): VolumeStore {
  const volumes = volumesWithEvents(context);
  return {
    ...volumes,
    create: async request => {
      const claim = (name: string): unknown => claims.use(context.containers.claimVolume(name, id));
      if (request.name !== undefined) claim(request.name);
      const volume = await volumes.create(request);
      claim(volume.name);
      return volume;
    },
  };
}

/** The image of a request, for its platform where one was asked for: the client pulls the right one when it is told `notFound`. */
function imageFor({ options }: EngineContext, { config, platform }: ContainerCreate): StoredImage {
  const wanted = platform === undefined ? undefined : parsePlatform(platform);
  const image = options.images.get(config.Image, wanted);
  options.images.noteUsed(image.id);
  return image;
}

/**
 * `container:NAME` modes become `container:ID`. Whether the owner of a network exists is asked at start, as dockerd does.
 * @throws invalidParameter for an owner that is not there: a client takes `notFound` for a missing image, and pulls it
 */
function nameOwnersById({ containers }: EngineContext, hostConfig: HostConfig): void {
  const byId = (mode: string): string => {
    const owner = sharedWith(mode);
    return owner === undefined ? mode : `container:${containers.find(owner).id}`;
  };
  try {
    hostConfig.PidMode = byId(hostConfig.PidMode);
    hostConfig.IpcMode = byId(hostConfig.IpcMode);
  } catch (error) {
    throw isGantryError(error, 'notFound') ? invalidParameter(error.message, { cause: error }) : error;
  }
  try {
    hostConfig.NetworkMode = byId(hostConfig.NetworkMode);
  } catch (error) {
    if (!isGantryError(error, 'notFound')) throw error;
  }
}
