import { type Command, exactly } from '../../command.ts';
import { ExitError } from '../../errors.ts';
import { int, list, text } from '../../flags/flag.ts';
import { commaSeparated } from './pairs.ts';

export const command: Command = {
  usage: 'NETWORK CONTAINER',
  arity: exactly(2),
  flags: [
    { name: 'alias', kind: list, label: 'strings', help: 'Add network-scoped alias for the container' },
    { name: 'driver-opt', kind: list, label: 'strings', help: 'driver options for the network' },
    {
      name: 'gw-priority',
      kind: int,
      help: 'Highest gw-priority provides the default gateway. Accepts positive and negative values.',
    },
    { name: 'ip', kind: text, help: 'IPv4 address (e.g., "172.30.100.104")' },
    { name: 'ip6', kind: text, help: 'IPv6 address (e.g., "2001:db8::33")' },
    { name: 'link', kind: list, help: 'Add link to another container' },
    { name: 'link-local-ip', kind: list, label: 'strings', help: 'Add a link-local address for the container' },
  ],
  async run(context, values) {
    const [network = '', container = ''] = values.args;
    const [ip, ip6] = [values.text('ip'), values.text('ip6')];
    const linkLocal = commaSeparated(values.list('link-local-ip'));
    const options = driverOptions(values.list('driver-opt'));
    const engine = await context.engine();
    await engine.networks.connect(network, container, {
      IPAMConfig: {
        ...(ip ? { IPv4Address: ip } : {}),
        ...(ip6 ? { IPv6Address: ip6 } : {}),
        ...(linkLocal.length > 0 ? { LinkLocalIPs: linkLocal } : {}),
      },
      Links: [...values.list('link')],
      Aliases: commaSeparated(values.list('alias')),
      DriverOpts: options,
      GwPriority: Number(values.text('gw-priority') ?? 0),
    });
    return 0;
  },
};

function driverOptions(texts: readonly string[]): Record<string, string> {
  const options: Record<string, string> = {};
  for (const one of texts) {
    const equals = one.indexOf('=');
    if (equals < 0) throw new ExitError(1, 'invalid key/value pair format in driver options');
    options[one.slice(0, equals)] = one.slice(equals + 1);
  }
  return options;
}
