import { atLeast, type Command } from '../../command.ts';
import { ExitError } from '../../errors.ts';
import { manifestReference } from '../../manifest/reference.ts';
import { ManifestStore } from '../../manifest/store.ts';

export const command: Command = {
  usage: 'MANIFEST_LIST [MANIFEST_LIST...]',
  arity: atLeast(1),
  flags: [],
  async run(context, values) {
    const store = new ManifestStore(context.globals);
    const problems: string[] = [];
    for (const name of values.args) {
      try {
        const { text } = manifestReference(name);
        store.demand(text);
        store.remove(text);
      } catch (error) {
        if (!(error instanceof ExitError)) throw error;
        problems.push(error.message);
      }
    }
    if (problems.length > 0) throw new ExitError(1, problems.join('\n'));
    return 0;
  },
};
