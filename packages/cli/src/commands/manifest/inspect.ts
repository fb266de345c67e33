import type { Command } from '../../command.ts';
import { ExitError } from '../../errors.ts';
import { toggle } from '../../flags/flag.ts';
import { manifestList } from '../../manifest/list.ts';
import { documentText, formatLocalManifest, type LocalManifest } from '../../manifest/local-manifest.ts';
import { manifestReference } from '../../manifest/reference.ts';
import { ManifestRegistry } from '../../manifest/registry.ts';
import { absent, ManifestStore } from '../../manifest/store.ts';
import { indentJson } from '../../render/json.ts';

export const command: Command = {
  usage: '[MANIFEST_LIST] MANIFEST',
  arity: { least: 1, most: 2 },
  flags: [
    { name: 'insecure', kind: toggle, help: 'Allow communication with an insecure registry' },
    { name: 'verbose', short: 'v', kind: toggle, help: 'Output additional info including layers and platform' },
  ],
  async run(context, values) {
    const [first = '', second] = values.args;
    const verbose = values.on('verbose');
    const store = new ManifestStore(context.globals);
    const reference = manifestReference(second ?? first);
    if (second !== undefined) {
      const manifest = store.find(manifestReference(first).text, reference.text);
      if (!manifest) throw absent(reference.text);
      context.stdout.write(showManifest(manifest, verbose));
      return 0;
    }
    const found =
      store.list(reference.text) ??
      (await new ManifestRegistry(context, await context.engine(), values.on('insecure')).fetch(reference.text));
    context.stdout.write('ref' in found ? showManifest(found, verbose) : showList(reference.text, found, verbose));
    return 0;
  },
};

function showManifest(manifest: LocalManifest, verbose: boolean): string {
  return `${indentJson(verbose ? formatLocalManifest(manifest) : documentText(manifest), '\t')}\n`;
}

function showList(target: string, manifests: readonly LocalManifest[], verbose: boolean): string {
  if (!verbose) return `${listText(target, manifests)}\n`;
  return `${indentJson(`[${manifests.map(formatLocalManifest).join(',')}]`, '\t')}\n`;
}

function listText(target: string, manifests: readonly LocalManifest[]): string {
  try {
    return manifestList(target, manifests).text;
  } catch (error) {
    if (!(error instanceof ExitError)) throw error;
    throw new ExitError(1, `failed to assemble ManifestDescriptor: ${error.message}`);
  }
}
