import { conflict, isGantryError } from '@gantry/errors';
import type { ImageConfigDocument, StoredImage } from '@gantry/images';
import { familiarReference, parseReference, withDefaultTag, withTag } from '@gantry/oci';
import type { EngineContext } from '../context.ts';
import type { ContainerConfig } from '../documents/index.ts';
import type { ContainerCommit } from '../engine.ts';
import { applyImageChanges } from '../image-changes.ts';
import { fillConfig } from '../validate/fill.ts';
import { mergeImageConfig } from '../validate/merge-image.ts';
import { OWN_PATHS } from './changes.ts';
import type { Container } from './container.ts';
import { pauseContainer, unpauseContainer } from './pause.ts';

/**
 * Makes an image of a container as it is now; it is paused meanwhile unless that is not wanted.
 * @throws conflict when it is dead or being removed
 */
export function commitContainer(
  context: EngineContext,
  container: Container,
  request: ContainerCommit,
  signal: AbortSignal,
): Promise<string> {
  return context.jobs.run(
    'container.commit',
    container.id,
    async job => {
      const { id, state } = container;
      const reference = referenceOf(request);
      if (state.status === 'dead') throw conflict(`You cannot commit container ${id} which is Dead`);
      if (state.status === 'removing') throw conflict(`You cannot commit container ${id} which is being removed`);
      const config = configOf(container, request);
      const pauses = request.pause && state.status === 'running' && (await pausedHere(context, container));
      let image: StoredImage;
      try {
        image = await job.span('make the layer', () =>
          context.options.images.commit(
            id,
            {
              parentId: parentOf(context, container),
              config,
              author: request.author,
              comment: request.comment,
              createdBy: (container.document.config.Cmd ?? []).join(' '),
              own: OWN_PATHS,
            },
            signal,
          ),
        );
      } finally {
        // It may have ended, or been unpaused by somebody else.
        if (pauses) await unpauseContainer(context, container).catch(ignoreUnlessPaused(container));
      }
      if (reference !== undefined) {
        await context.options.images.tag(image.id, reference);
        context.events.publish('image', 'tag', image.id, { ...image.config.config?.Labels, name: reference });
      }
      context.containerEvent(container, 'commit', {
        comment: request.comment,
        imageID: image.id,
        imageRef: reference ?? '',
      });
      return image.id;
    },
    signal,
  );
}

/** Whether this commit paused it: another commit, or a person, may have been first, or it has ended. */
async function pausedHere(context: EngineContext, container: Container): Promise<boolean> {
  try {
    await pauseContainer(context, container);
    return true;
  } catch (error) {
    if (isGantryError(error, 'conflict')) return false;
    throw error;
  }
}

function ignoreUnlessPaused(container: Container): (error: unknown) => void {
  return error => {
    if (container.status === 'paused') throw error;
  };
}

function referenceOf({ repository, tag }: ContainerCommit): string | undefined {
  if (repository === '') return undefined;
  const parsed = parseReference(repository);
  return familiarReference(tag === '' ? withDefaultTag(parsed) : withTag(parsed, tag));
}

function parentOf(context: EngineContext, { document }: Container): string | undefined {
  try {
    return context.options.images.get(document.imageId).id;
  } catch {
    return undefined; // its image was removed by force
  }
}

/** The container's settings as an image's: what belongs to one machine or one run stays behind. */
function configOf(container: Container, request: ContainerCommit): ImageConfigDocument['config'] {
  const own = container.document.config;
  const base = structuredClone(request.config === undefined ? own : fillConfig(request.config));
  const changed = Object.assign(base, applyImageChanges(imageConfigOf(base), request.changes));
  mergeImageConfig(changed, imageConfigOf(own));
  return imageConfigOf(changed);
}

function imageConfigOf(config: ContainerConfig): NonNullable<ImageConfigDocument['config']> {
  const { User, ExposedPorts, Env, Entrypoint, Cmd, Volumes, WorkingDir, Labels, StopSignal, Shell, OnBuild } = config;
  const { ArgsEscaped, Healthcheck } = config;
  const all = { User, ExposedPorts, Env, Entrypoint, Cmd, Volumes, WorkingDir, Labels, StopSignal, Shell, OnBuild };
  const present = Object.entries({ ...all, ArgsEscaped, Healthcheck }).filter(
    ([, value]) => value && (Array.isArray(value) || typeof value !== 'object' || Object.keys(value).length > 0),
  );
  return Object.fromEntries(present);
}
