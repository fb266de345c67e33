import type { EngineContext } from '../context.ts';
import type { Container } from './container.ts';
import { notRunning } from './kill.ts';

/** Tells the container's terminal its size. @throws conflict unless it runs */
export async function resizeContainer(
  context: EngineContext,
  container: Container,
  { rows, columns }: { readonly rows: number; readonly columns: number },
): Promise<void> {
  if (!container.run) throw notRunning(container);
  await container.run.shim.resize('init', rows, columns);
  context.containerEvent(container, 'resize', { height: String(rows), width: String(columns) });
}
