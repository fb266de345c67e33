import { toJson } from '@gantry/template';
import { atMost, type Command } from '../../command.ts';
import { describe } from '../../describe-error.ts';
import { formatFlag } from '../../flags/format.ts';
import { clientText, serverText } from '../../render/info.ts';
import { compile } from '../../render/list.ts';
import { VERSION } from '../../version.ts';

export const command: Command = {
  usage: '',
  arity: atMost(0),
  flags: [formatFlag],
  async run(context, values) {
    const format = values.text('format');
    const client = {
      Debug: context.globals.on('debug'),
      Version: VERSION,
      Context: 'default',
      Plugins: [],
      Warnings: null,
    };
    let info: Record<string, unknown> = {};
    let failure: unknown;
    try {
      info = await (await context.engine()).system.info();
    } catch (error) {
      failure = error;
    }
    const errors = failure === undefined ? [] : [describe(failure, context.globals)];
    if (format) {
      const document = { ...info, ...(errors.length > 0 ? { ServerErrors: errors } : {}), ClientInfo: client };
      context.stdout.write(format === 'json' ? `${toJson(document, true)}\n` : `${compile(format)(document)}\n`);
      return errors.length > 0 ? 1 : 0;
    }
    context.stdout.write(`${clientText(client)}\nServer:\n`);
    if (errors.length > 0) {
      context.stderr.write(`${errors.join('\n')}\n`);
      return 1;
    }
    context.stdout.write(serverText(info));
    const warnings = info.Warnings;
    if (Array.isArray(warnings)) for (const warning of warnings) context.stderr.write(`${warning}\n`);
    return 0;
  },
};
