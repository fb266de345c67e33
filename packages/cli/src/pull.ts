import type { EngineClient } from '@gantry/client';
import type { Values } from './flags/parse.ts';
import { showProgress, throwIfFailed } from './progress.ts';
import type { Reference } from './reference.ts';

/**
 * Pulls an image and shows its progress on `out`, or nothing.
 * @param options `explain` draws on it where the time went
 * @throws ExitError with the registry's refusal
 */
export async function pullImage(
  engine: EngineClient,
  reference: Reference,
  options: {
    readonly globals: Values;
    readonly platform?: string | undefined;
    readonly out: NodeJS.WriteStream | undefined;
    readonly explain?: NodeJS.WriteStream | undefined;
  },
): Promise<void> {
  const tag = reference.digest ?? reference.tag ?? '';
  const { registryAuthorization } = await import('./credentials.ts');
  const messages = await engine.images.pull(reference.familiarName, tag, {
    platform: options.platform || undefined,
    authorization: registryAuthorization(options.globals, reference.fullName),
    explain: options.explain !== undefined,
  });
  const explained = options.explain && (await explainOn(options.explain));
  if (options.out) return showProgress(messages, options.out, explained);
  for await (const message of messages) {
    explained?.(message.aux);
    throwIfFailed(message);
  }
}

async function explainOn(out: NodeJS.WriteStream): Promise<(aux: unknown) => void> {
  const { pullTrace, pullTraceText } = await import('./render/pull-trace.ts');
  return aux => {
    const trace = pullTrace(aux);
    if (trace) out.write(`${pullTraceText(trace, out.columns)}\n`);
  };
}
