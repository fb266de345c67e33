import { type Command, exactly } from '../../command.ts';
import { ExitError } from '../../errors.ts';
import { text } from '../../flags/flag.ts';
import { drawPath } from '../../render/packet-path.ts';

export const command: Command = {
  usage: '[OPTIONS] FROM TO[:PORT]',
  arity: exactly(2),
  flags: [
    { name: 'format', kind: text, help: "Format the output: 'json' prints it as data" },
    { name: 'protocol', kind: text, help: 'tcp, udp or sctp', fallback: 'tcp' },
  ],
  async run(context, values) {
    const [from = '', to = ''] = values.args;
    const format = values.text('format') ?? '';
    if (!['', 'json', '{{json .}}'].includes(format)) {
      throw new ExitError(1, `invalid format ${JSON.stringify(format)}: there is json`);
    }
    const path = await (await context.engine()).networks.explain(from, to, values.text('protocol') || 'tcp');
    context.stdout.write(format === '' ? drawPath(path) : `${JSON.stringify(path)}\n`);
    return path.verdict === 'dropped' ? 1 : 0;
  },
};
