import { type Command, exactly } from '../../command.ts';
import { registryAuthorization } from '../../credentials.ts';
import { ExitError } from '../../errors.ts';
import { text, toggle } from '../../flags/flag.ts';
import { showProgress, throwIfFailed } from '../../progress.ts';
import { parseReference, withDefaultTag } from '../../reference.ts';

export const command: Command = {
  usage: 'NAME[:TAG]',
  arity: exactly(1),
  flags: [
    { name: 'all-tags', short: 'a', kind: toggle, help: 'Push all tags of an image to the repository' },
    { name: 'disable-content-trust', kind: toggle, help: 'Skip image signing', fallback: 'true', hidden: true },
    { name: 'platform', kind: text, help: 'Push a platform-specific manifest as a single-platform image' },
    { name: 'quiet', short: 'q', kind: toggle, help: 'Suppress verbose output' },
  ],
  async run(context, values) {
    const [name = ''] = values.args;
    const given = parseReference(name);
    const all = values.on('all-tags');
    const quiet = values.on('quiet');
    if (all && (given.tag !== undefined || given.digest !== undefined)) {
      throw new ExitError(1, "tag can't be used with --all-tags/-a");
    }
    const reference = all ? given : withDefaultTag(given);
    if (!all && given.tag === undefined && given.digest === undefined && !quiet) {
      context.stdout.write('Using default tag: latest\n');
    }
    const platform = values.text('platform');
    const engine = await context.engine();
    const messages = await engine.images.push(reference.familiarName, reference.tag ?? '', {
      authorization: registryAuthorization(context.globals, reference.fullName),
      ...(platform ? { platform } : {}),
    });
    if (!quiet) {
      await showProgress(messages, context.stdout);
      return 0;
    }
    for await (const message of messages) throwIfFailed(message);
    context.stdout.write(`${reference.familiarName}${reference.tag === undefined ? '' : `:${reference.tag}`}\n`);
    return 0;
  },
};
