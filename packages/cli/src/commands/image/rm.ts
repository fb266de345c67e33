import { ApiError } from '@gantry/client';
import { atLeast, type Command } from '../../command.ts';
import { describe } from '../../describe-error.ts';
import { ExitError } from '../../errors.ts';
import { list, toggle } from '../../flags/flag.ts';

export const command: Command = {
  usage: 'IMAGE [IMAGE...]',
  arity: atLeast(1),
  flags: [
    { name: 'force', short: 'f', kind: toggle, help: 'Force removal of the image' },
    { name: 'no-prune', kind: toggle, help: 'Do not delete untagged parents' },
    { name: 'platform', kind: list, help: 'Remove only the given platform variant (os/arch[/variant])' },
  ],
  async run(context, values) {
    const engine = await context.engine();
    const force = values.on('force');
    const options = { force, noPrune: values.on('no-prune'), platforms: values.list('platform') };
    const errors: string[] = [];
    let fatal = false;
    for (const name of values.args) {
      try {
        for (const item of await engine.images.remove(name, options)) {
          context.stdout.write('Deleted' in item ? `Deleted: ${item.Deleted}\n` : `Untagged: ${item.Untagged}\n`);
        }
      } catch (error) {
        if (!(error instanceof ApiError && error.status === 404)) fatal = true;
        errors.push(describe(error, context.globals));
      }
    }
    if (errors.length === 0) return 0;
    if (force && !fatal) {
      context.stderr.write(`${errors.join('\n')}\n`);
      return 0;
    }
    throw new ExitError(1, errors.join('\n'));
  },
};
