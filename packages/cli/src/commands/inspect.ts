import { atLeast, type Command } from '../command.ts';
import { ExitError } from '../errors.ts';
import { text, toggle } from '../flags/flag.ts';
import { formatFlag } from '../flags/format.ts';
import { inspectAll, type ObjectType, objectTypes } from '../inspect.ts';

export const command: Command = {
  usage: 'NAME|ID [NAME|ID...]',
  arity: atLeast(1),
  flags: [
    formatFlag,
    { name: 'size', short: 's', kind: toggle, help: 'Display total file sizes if the type is container' },
    { name: 'type', kind: text, help: 'Only inspect objects of the given type' },
  ],
  run(context, values) {
    const type = values.text('type');
    if (type !== undefined && !KNOWN.includes(type)) {
      const choices = KNOWN.map(name => JSON.stringify(name)).join(', ');
      throw new ExitError(1, `unknown type: ${JSON.stringify(type)}: must be one of ${choices}`);
    }
    const types = objectTypes.filter(known => type === undefined || known === type);
    return inspectAll(context, values, types as readonly ObjectType[], type === undefined);
  },
};

const KNOWN = ['config', 'container', 'image', 'network', 'node', 'plugin', 'secret', 'service', 'task', 'volume'];
