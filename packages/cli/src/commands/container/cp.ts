import { type Command, type Context, exactly } from '../../command.ts';
import { copyIn, copyOut } from '../../copy.ts';
import { ExitError } from '../../errors.ts';
import { toggle } from '../../flags/flag.ts';
import { humanSize } from '../../render/units.ts';

export const command: Command = {
  usage: 'CONTAINER:SRC_PATH DEST_PATH|-\n\tcp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH',
  arity: exactly(2),
  flags: [
    { name: 'archive', short: 'a', kind: toggle, help: 'Archive mode (copy all uid/gid information)' },
    { name: 'follow-link', short: 'L', kind: toggle, help: 'Always follow symbol link in SRC_PATH' },
    { name: 'quiet', short: 'q', kind: toggle, help: 'Suppress progress output during copy' },
  ],
  async run(context, values) {
    const [source = '', target = ''] = values.args;
    const from = place(source);
    const to = place(target);
    const options = { keepsOwner: values.on('archive'), followsLink: values.on('follow-link') };
    if (source === '' || from.path === '') throw new ExitError(1, 'source can not be empty');
    if (target === '' || to.path === '') throw new ExitError(1, 'destination can not be empty');
    if (from.container !== undefined && to.container !== undefined) {
      throw new ExitError(1, 'copying between containers is not supported');
    }
    const engine = await context.engine();
    if (from.container !== undefined) {
      const bytes = await copyOut(context, engine, from.container, from.path, to.path, options);
      if (to.path !== '-') report(context, values.on('quiet'), bytes, to.path);
    } else if (to.container !== undefined) {
      const bytes = await copyIn(context, engine, from.path, to.container, to.path, options);
      report(context, values.on('quiet'), bytes, target);
    } else throw new ExitError(1, 'must specify at least one container source');
    return 0;
  },
};

function report(context: Context, quiet: boolean, bytes: number, target: string): void {
  if (!quiet && context.stderr.isTTY) {
    context.stderr.write(`Successfully copied ${humanSize(bytes)} to ${target}\n`);
  }
}

/** `CONTAINER:PATH`; a local path with a colon begins with `/` or `.`. */
function place(text: string): { readonly container: string | undefined; readonly path: string } {
  const colon = text.indexOf(':');
  if (text.startsWith('/') || text.startsWith('.') || colon <= 0) return { container: undefined, path: text };
  return { container: text.slice(0, colon), path: text.slice(colon + 1) };
}
