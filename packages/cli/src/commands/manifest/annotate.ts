import { type Command, exactly } from '../../command.ts';
import { ExitError } from '../../errors.ts';
import { text } from '../../flags/flag.ts';
import type { Values } from '../../flags/parse.ts';
import { isKnownPlatform } from '../../manifest/known-platforms.ts';
import type { ManifestPlatform } from '../../manifest/local-manifest.ts';
import { manifestReference, type NamedReference } from '../../manifest/reference.ts';
import { ManifestStore } from '../../manifest/store.ts';

export const command: Command = {
  usage: 'MANIFEST_LIST MANIFEST',
  arity: exactly(2),
  flags: [
    { name: 'arch', kind: text, help: 'Set architecture' },
    { name: 'os', kind: text, help: 'Set operating system' },
    { name: 'os-features', kind: text, label: 'strings', help: 'Set operating system feature' },
    { name: 'os-version', kind: text, help: 'Set operating system version' },
    { name: 'variant', kind: text, help: 'Set architecture variant' },
  ],
  async run(context, values) {
    const [target = '', image = ''] = values.args;
    const list = named('manifest list', target);
    const reference = named('manifest', image);
    const store = new ManifestStore(context.globals);
    const manifest = store.find(list.text, reference.text);
    if (!manifest) throw new ExitError(1, `manifest for image ${image} does not exist in ${target}`);
    const platform = annotated(manifest.descriptor.platform ?? { architecture: '', os: '' }, values);
    if (!isKnownPlatform(platform)) {
      const given = `${values.text('os') ?? ''}/${values.text('arch') ?? ''}`;
      throw new ExitError(1, `manifest entry for image has unsupported os/arch combination: ${given}`);
    }
    store.save(list.text, reference.text, { ...manifest, descriptor: { ...manifest.descriptor, platform } });
    return 0;
  },
};

function annotated(platform: ManifestPlatform, values: Values): ManifestPlatform {
  const features = values.list('os-features').flatMap(entry => (entry === '' ? [] : entry.split(',')));
  return {
    architecture: values.text('arch') || platform.architecture,
    os: values.text('os') || platform.os,
    'os.version': values.text('os-version') || platform['os.version'] || '',
    'os.features': [...new Set([...(platform['os.features'] ?? []), ...features])],
    variant: values.text('variant') || platform.variant || '',
  };
}

function named(what: string, name: string): NamedReference {
  try {
    return manifestReference(name);
  } catch (error) {
    if (!(error instanceof ExitError)) throw error;
    throw new ExitError(1, `annotate: error parsing name for ${what} ${name}: ${error.message}`);
  }
}
