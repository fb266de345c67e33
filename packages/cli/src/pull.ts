import type { EngineClient } from '@gantry/client';
import { showProgress } from './progress.ts';
import type { Reference } from './reference.ts';

/** Pulls an image and shows its progress on `out`, or nothing. @throws ExitError with the registry's refusal */
export async function pullImage(
  engine: EngineClient,
  reference: Reference,
  options: { readonly platform?: string | undefined; readonly out: NodeJS.WriteStream | undefined },
): Promise<void> {
  const tag = reference.digest ?? reference.tag ?? '';
  const { registryAuthorization } = await import('./registry-auth.ts');
  const messages = await engine.images.pull(reference.familiarName, tag, {
    platform: options.platform || undefined,
    authorization: registryAuthorization(reference.fullName),
  });
  if (options.out) return showProgress(messages, options.out);
  for await (const message of messages) {
    const failed = message.errorDetail?.message ?? message.error;
    if (failed) {
      const { ExitError } = await import('./errors.ts');
      throw new ExitError(1, failed);
    }
  }
}
