import type { EngineClient, StartExplanation } from '@gantry/client';
import type { Context } from '../command.ts';
import { toggle } from '../flags/flag.ts';

export const explainFlag = {
  name: 'explain',
  kind: toggle,
  help: 'Show how the container was started: each step, and the time that it took',
};

/** Starts a container; with `explain` the result tells how. */
export async function startContainer(
  engine: EngineClient,
  id: string,
  options: { readonly explain: boolean; readonly detachKeys?: string | undefined },
): Promise<StartExplanation | undefined> {
  if (options.explain) return engine.containers.explainStart(id);
  await engine.containers.start(id, { detachKeys: options.detachKeys });
  return undefined;
}

/** Draws on standard error, since standard output is the container's. */
export async function showStart(context: Context, explanation: StartExplanation | undefined): Promise<void> {
  if (!explanation) return;
  const { startText } = await import('../render/job.ts');
  context.stderr.write(`${startText(explanation, context.stderr.columns)}\n`);
}
