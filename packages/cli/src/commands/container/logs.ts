import { FrameDecoder } from '@gantry/client';
import { type Command, exactly } from '../../command.ts';
import { text, toggle } from '../../flags/flag.ts';
import { parseTimestamp } from '../../timestamp.ts';

const TIME = 'timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)';

export const command: Command = {
  usage: 'CONTAINER',
  arity: exactly(1),
  flags: [
    { name: 'details', kind: toggle, help: 'Show extra details provided to logs' },
    { name: 'follow', short: 'f', kind: toggle, help: 'Follow log output' },
    { name: 'since', kind: text, help: `Show logs since ${TIME}` },
    {
      name: 'tail',
      short: 'n',
      kind: text,
      help: 'Number of lines to show from the end of the logs',
      fallback: '"all"',
    },
    { name: 'timestamps', short: 't', kind: toggle, help: 'Show timestamps' },
    { name: 'until', kind: text, help: `Show logs before a ${TIME}` },
  ],
  async run(context, values) {
    const [name = ''] = values.args;
    const time = (flag: string) => {
      const value = values.text(flag);
      return value ? parseTimestamp(value, `invalid value for ${JSON.stringify(flag)}: `) : undefined;
    };
    const options = {
      stdout: true,
      stderr: true,
      follow: values.on('follow'),
      since: time('since'),
      until: time('until'),
      timestamps: values.on('timestamps'),
      details: values.on('details'),
      tail: values.text('tail'),
    };
    const engine = await context.engine();
    const { Id, Config } = await engine.containers.inspect(name);
    const body = await engine.containers.logs(Id, options);
    if (Config.Tty) {
      for await (const piece of body) context.stdout.write(piece);
      return 0;
    }
    const frames = new FrameDecoder((stream, bytes) => context[stream].write(bytes));
    for await (const piece of body) frames.push(piece);
    return 0;
  },
};
