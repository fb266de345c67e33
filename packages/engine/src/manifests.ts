import type { EngineContext } from './context.ts';
import type { Manifests } from './engine.ts';

/** Single manifests and indexes at registries. Nothing of them is kept here. */
export function manifestsOf({ jobs, options }: EngineContext): Manifests {
  const { registries } = options.images;
  return {
    async fetch(ref, question, signal) {
      const { descriptor, platform, bytes } = await registries.manifest(ref, question, signal);
      return {
        Descriptor: { ...descriptor, ...(platform ? { platform } : {}) },
        Raw: bytes.toString('base64'),
      };
    },
    put: (ref, upload, signal) =>
      jobs.run(
        'manifest.put',
        ref,
        async () => ({ Digest: await registries.putManifest(ref, upload, signal) }),
        signal,
      ),
  };
}
