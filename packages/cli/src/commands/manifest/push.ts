import { createHash } from 'node:crypto';
import { type Command, exactly } from '../../command.ts';
import { ExitError } from '../../errors.ts';
import { toggle } from '../../flags/flag.ts';
import { manifestList } from '../../manifest/list.ts';
import { documentText, type LocalManifest } from '../../manifest/local-manifest.ts';
import { manifestReference, placeOf } from '../../manifest/reference.ts';
import { ManifestRegistry } from '../../manifest/registry.ts';
import { ManifestStore } from '../../manifest/store.ts';

export const command: Command = {
  usage: 'MANIFEST_LIST',
  arity: exactly(1),
  flags: [
    { name: 'insecure', kind: toggle, help: 'Allow push to an insecure registry' },
    { name: 'purge', short: 'p', kind: toggle, help: 'Remove the local manifest list after push' },
  ],
  async run(context, values) {
    const [name = ''] = values.args;
    const target = manifestReference(name);
    const store = new ManifestStore(context.globals);
    const manifests = store.demand(target.text);
    if (manifests.length === 0) throw new ExitError(1, `${target.text} not found`);
    for (const { ref, descriptor } of manifests) {
      const { os = '', architecture = '' } = descriptor.platform ?? {};
      if (os === '' || architecture === '') {
        throw new ExitError(1, `manifest ${ref} must have an OS and Architecture to be pushed to a registry`);
      }
    }
    const list = manifestList(target.text, manifests);
    const { repository } = placeOf(target.text);
    const elsewhere = manifests.filter(({ ref }) => placeOf(ref).repository !== repository);
    const uploads = elsewhere.map(manifest => ({
      ref: `${target.fullName}@${manifest.descriptor.digest}`,
      document: {
        mediaType: manifest.descriptor.mediaType,
        text: checkedText(manifest),
        from: placeOf(manifest.ref).repository,
      },
    }));
    const registry = new ManifestRegistry(context, await context.engine(), values.on('insecure'));
    for (const { ref, document } of uploads) {
      const digest = await registry.put(ref, document);
      context.stdout.write(`Pushed ref ${ref} with digest: ${digest}\n`);
    }
    context.stdout.write(`${await registry.put(target.text, list)}\n`);
    if (values.on('purge')) store.remove(target.text);
    return 0;
  },
};

/** The document that has the digest of its entry. @throws ExitError when it cannot be had any more */
function checkedText(manifest: LocalManifest): string {
  const text = documentText(manifest);
  const { digest } = manifest.descriptor;
  const own = `sha256:${createHash('sha256').update(text).digest('hex')}`;
  if (digest.startsWith('sha256:') && own !== digest) {
    throw new ExitError(1, `internal digest mismatch for ${manifest.ref}: expected ${digest}, got ${own}`);
  }
  return text;
}
