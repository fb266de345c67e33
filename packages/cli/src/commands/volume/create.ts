import { atMost, type Command } from '../../command.ts';
import { ExitError } from '../../errors.ts';
import { list, map, text } from '../../flags/flag.ts';
import { clusterFlags, refuseCluster } from './cluster-flags.ts';
import { pairs } from './pairs.ts';

export const command: Command = {
  usage: '[VOLUME]',
  arity: atMost(1),
  flags: [
    { name: 'driver', short: 'd', kind: text, help: 'Specify volume driver name', fallback: '"local"' },
    { name: 'label', kind: list, help: 'Set metadata for a volume' },
    { name: 'name', kind: text, help: 'Specify volume name', hidden: true },
    { name: 'opt', short: 'o', kind: map, help: 'Set driver specific options', fallback: 'map[]' },
    ...clusterFlags,
  ],
  async run(context, values) {
    refuseCluster(values);
    const [argument] = values.args;
    const name = values.text('name');
    if (name && argument) {
      throw new ExitError(
        1,
        'conflicting options: cannot specify a volume-name through both --name and as a positional arg',
      );
    }
    const engine = await context.engine();
    const volume = await engine.volumes.create({
      Name: argument ?? name ?? '',
      Driver: values.text('driver') ?? 'local',
      DriverOpts: pairs(values.list('opt')),
      Labels: pairs(values.list('label')),
    });
    context.stdout.write(`${volume.Name}\n`);
    return 0;
  },
};
