import { atMost, type Command } from '../command.ts';
import { ExitError } from '../errors.ts';
import { text, toggle } from '../flags/flag.ts';

/** The front door runs `gantry daemon` itself; what comes here is `--stop` and `--help`. */
export const command: Command = {
  usage: '',
  arity: atMost(0),
  flags: [
    { name: 'stop', kind: toggle, help: 'End the engine that runs; containers run on' },
    {
      name: 'pidfile',
      short: 'p',
      kind: text,
      help: 'Path of the PID file of that engine',
      fallback: '"/run/gantry.pid"',
    },
  ],
  async run(_context, values) {
    if (!values.on('stop')) throw new ExitError(1, 'gantry daemon runs from the script `gantry` of the checkout');
    const { stopDaemon } = await import('../daemon-stop.ts');
    await stopDaemon(values.text('pidfile') ?? '/run/gantry.pid');
    return 0;
  },
};
