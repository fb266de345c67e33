import type { ReferrersDocument } from '@gantry/client';
import { type Command, exactly } from '../../command.ts';
import { ExitError } from '../../errors.ts';
import { text, toggle } from '../../flags/flag.ts';
import { parseReference } from '../../reference.ts';
import { alignColumns } from '../../render/columns.ts';
import { humanSize } from '../../render/units.ts';

const CREATED = 'org.opencontainers.image.created';
const SHORT = 'sha256:'.length + 12;

export const command: Command = {
  usage: 'NAME[:TAG|@DIGEST]',
  arity: exactly(1),
  flags: [
    { name: 'artifact-type', kind: text, help: 'Only referrers of this type' },
    {
      name: 'format',
      kind: text,
      help: "Format of the output:\n'table':            A table for people (default)\n'json':             The whole answer as JSON",
    },
    { name: 'no-trunc', kind: toggle, help: "Don't truncate digests" },
  ],
  async run(context, values) {
    const format = values.text('format') || 'table';
    if (format !== 'table' && format !== 'json')
      throw new ExitError(1, `unknown format ${format}: choose table or json`);
    const [name = ''] = values.args;
    const { fullName } = parseReference(name);
    const { registryAuthorization } = await import('../../credentials.ts');
    const answer = await (await context.engine()).images.referrers(name, {
      artifactType: values.text('artifact-type') || undefined,
      authorization: registryAuthorization(context.globals, fullName),
    });
    const whole = values.on('no-trunc');
    context.stdout.write(format === 'json' ? `${JSON.stringify(answer, undefined, 2)}\n` : table(answer, whole));
    return 0;
  },
};

function table({ Subject, Source, Referrers }: ReferrersDocument, whole: boolean): string {
  const digest = (text: string): string => (whole ? text : text.slice(0, SHORT));
  const where = Source === 'tag' ? ` (by the tag ${digest(Subject.digest.replace(':', '-'))})` : '';
  if (Referrers.length === 0) return `Nothing refers to ${digest(Subject.digest)}${where}\n`;
  const rows = Referrers.map(({ artifactType, mediaType, annotations, ...referrer }) =>
    [
      artifactType ?? mediaType,
      digest(referrer.digest),
      humanSize(referrer.size, 3),
      annotations?.[CREATED] ?? '',
    ].join('\t'),
  );
  return `Refer to ${digest(Subject.digest)}${where}:\n${alignColumns(`${['TYPE\tDIGEST\tSIZE\tCREATED', ...rows].join('\n')}\n`)}`;
}
