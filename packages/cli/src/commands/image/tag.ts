import { type Command, exactly } from '../../command.ts';
import { ExitError } from '../../errors.ts';
import { parseReference, withDefaultTag } from '../../reference.ts';

export const command: Command = {
  usage: 'SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]',
  arity: exactly(2),
  flags: [],
  async run(context, values) {
    const [source = '', target = ''] = values.args;
    const reference = named(target);
    if (reference.digest !== undefined) throw new ExitError(1, 'refusing to create a tag with a digest reference');
    const { familiarName, tag } = withDefaultTag(reference);
    await (await context.engine()).images.tag(source, familiarName, tag ?? '');
    return 0;
  },
};

function named(target: string) {
  try {
    return parseReference(target);
  } catch (error) {
    if (!(error instanceof ExitError)) throw error;
    throw new ExitError(
      1,
      `Error parsing reference: ${JSON.stringify(target)} is not a valid repository/tag: ${error.message}`,
    );
  }
}
