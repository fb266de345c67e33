import { createReadStream } from 'node:fs';
import { access } from 'node:fs/promises';
import { type Command, exactly } from '../../command.ts';
import { ExitError } from '../../errors.ts';
import { text } from '../../flags/flag.ts';

export const command: Command = {
  usage: 'VOLUME',
  arity: exactly(1),
  flags: [{ name: 'input', short: 'i', kind: text, help: 'Read from a file, instead of STDIN' }],
  async run(context, values) {
    const [name = ''] = values.args;
    const input = values.text('input');
    const fromStdin = !input || input === '-';
    if (fromStdin && context.stdin.isTTY) {
      throw new ExitError(1, 'requested restore from stdin, but stdin is empty');
    }
    if (!fromStdin) await access(input);
    const engine = await context.engine();
    await engine.volumes.restore(name, fromStdin ? context.stdin : createReadStream(input, { highWaterMark: 1 << 18 }));
    context.stdout.write(`${name}\n`);
    return 0;
  },
};
