import { type Command, exactly } from '../../command.ts';
import { ExitError } from '../../errors.ts';
import { text, toggle } from '../../flags/flag.ts';
import { pullImage } from '../../pull.ts';
import { familiar, parseReference, withDefaultTag } from '../../reference.ts';

export const command: Command = {
  usage: 'NAME[:TAG|@DIGEST]',
  arity: exactly(1),
  flags: [
    { name: 'all-tags', short: 'a', kind: toggle, help: 'Download all tagged images in the repository' },
    { name: 'disable-content-trust', kind: toggle, help: 'Skip image verification', fallback: 'true', hidden: true },
    { name: 'explain', kind: toggle, help: 'Show where the time of the pull went, layer by layer' },
    { name: 'platform', kind: text, help: 'Set platform if server is multi-platform capable' },
    { name: 'quiet', short: 'q', kind: toggle, help: 'Suppress verbose output' },
  ],
  async run(context, values) {
    const [name = ''] = values.args;
    const given = parseReference(name);
    const all = values.on('all-tags');
    if (all && (given.tag !== undefined || given.digest !== undefined)) {
      throw new ExitError(1, "tag can't be used with --all-tags/-a");
    }
    const quiet = values.on('quiet');
    const reference = all ? given : withDefaultTag(given);
    if (!all && given.tag === undefined && given.digest === undefined && !quiet) {
      context.stdout.write('Using default tag: latest\n');
    }
    await pullImage(await context.engine(), reference, {
      globals: context.globals,
      platform: values.text('platform'),
      out: quiet ? undefined : context.stdout,
      explain: values.on('explain') ? context.stdout : undefined,
    });
    context.stdout.write(`${fullName(reference)}\n`);
    return 0;
  },
};

/** `docker.io/library/busybox:latest`, the last line of a pull. */
function fullName(reference: ReturnType<typeof parseReference>): string {
  return familiar({ ...reference, familiarName: reference.fullName });
}
