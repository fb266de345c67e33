import { GantryError, invalidParameter, isGantryError, messageOf, notFound } from '@gantry/errors';
import type { EngineContext } from '../context.ts';
import type { Container } from './container.ts';

/** Gives a container another name. @throws invalidParameter, conflict, notFound when it was removed meanwhile */
export function renameContainer(context: EngineContext, container: Container, wanted: string): Promise<void> {
  return context.jobs.run('container.rename', container.id, () =>
    container.lock.run(async () => {
      if (wanted === '') throw invalidParameter('Neither old nor new names may be empty');
      const { containers, storage } = context;
      // Its removal may have been first, and its name another's by now.
      if (containers.get(container.id) !== container) throw notFound(`No such container: ${container.id}`);
      const oldName = container.name;
      if (wanted.replace(/^\//, '') === oldName) {
        throw invalidParameter('Renaming a container with the same name as its current name');
      }
      const name = reserve(context, container, wanted);
      container.document.name = name;
      try {
        await storage.updateDocument(container);
      } catch (error) {
        container.document.name = oldName;
        containers.releaseName(name);
        throw error;
      }
      containers.releaseName(oldName);
      for (const endpoint of container.run?.facts.endpoints ?? []) context.names.enter(container, endpoint);
      container.summary = undefined;
      context.containerEvent(container, 'rename', { oldName: `/${oldName}` });
    }),
  );
}

function reserve({ containers }: EngineContext, container: Container, wanted: string): string {
  try {
    return containers.reserveName(container.id, wanted);
  } catch (error) {
    if (!isGantryError(error)) throw error;
    throw new GantryError(error.kind, `Error when allocating new name: ${messageOf(error)}`, { cause: error });
  }
}
