import { atLeast, type Command } from '../../command.ts';
import { ExitError } from '../../errors.ts';
import { toggle } from '../../flags/flag.ts';
import { manifestReference, type NamedReference } from '../../manifest/reference.ts';
import { ManifestRegistry } from '../../manifest/registry.ts';
import { ManifestStore } from '../../manifest/store.ts';

export const command: Command = {
  usage: 'MANIFEST_LIST MANIFEST [MANIFEST...]',
  arity: atLeast(2),
  flags: [
    { name: 'amend', short: 'a', kind: toggle, help: 'Amend an existing manifest list' },
    { name: 'insecure', kind: toggle, help: 'Allow communication with an insecure registry' },
  ],
  async run(context, values) {
    const [name = '', ...others] = values.args;
    const list = listReference(name);
    const store = new ManifestStore(context.globals);
    if (store.list(list.text) && !values.on('amend')) {
      throw new ExitError(1, 'refusing to amend an existing manifest list with no --amend flag');
    }
    let registry: ManifestRegistry | undefined;
    for (const other of others) {
      const reference = manifestReference(other);
      const known = store.find(list.text, reference.text);
      registry ??= new ManifestRegistry(context, await context.engine(), values.on('insecure'));
      const manifest = known?.text === undefined ? await registry.manifest(reference) : known;
      store.save(list.text, reference.text, manifest);
    }
    context.stdout.write(`Created manifest list ${list.text}\n`);
    return 0;
  },
};

function listReference(name: string): NamedReference {
  try {
    return manifestReference(name);
  } catch (error) {
    if (!(error instanceof ExitError)) throw error;
    throw new ExitError(1, `error parsing name for manifest list ${name}: ${error.message}`);
  }
}
