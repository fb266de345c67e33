import { type Command, exactly } from '../../command.ts';
import { list, map, text, toggle } from '../../flags/flag.ts';
import type { Values } from '../../flags/parse.ts';
import { ipamConfigs } from './ipam-config.ts';
import { commaSeparated, pairs } from './pairs.ts';

export const command: Command = {
  usage: 'NETWORK',
  arity: exactly(1),
  flags: [
    { name: 'attachable', kind: toggle, help: 'Enable manual container attachment' },
    {
      name: 'aux-address',
      kind: map,
      fallback: 'map[]',
      help: 'Auxiliary IPv4 or IPv6 addresses used by Network driver',
    },
    { name: 'config-from', kind: text, help: 'The network from which to copy the configuration' },
    { name: 'config-only', kind: toggle, help: 'Create a configuration only network' },
    { name: 'driver', short: 'd', kind: text, fallback: '"bridge"', help: 'Driver to manage the Network' },
    { name: 'gateway', kind: list, label: 'strings', help: 'IPv4 or IPv6 Gateway for the master subnet' },
    { name: 'ingress', kind: toggle, help: 'Create swarm routing-mesh network' },
    { name: 'internal', kind: toggle, help: 'Restrict external access to the network' },
    { name: 'ip-range', kind: list, label: 'strings', help: 'Allocate container ip from a sub-range' },
    { name: 'ipam-driver', kind: text, fallback: '"default"', help: 'IP Address Management Driver' },
    { name: 'ipam-opt', kind: map, fallback: 'map[]', help: 'Set IPAM driver specific options' },
    { name: 'ipv4', kind: toggle, fallback: 'true', help: 'Enable or disable IPv4 address assignment' },
    { name: 'ipv6', kind: toggle, help: 'Enable or disable IPv6 address assignment' },
    { name: 'label', kind: list, help: 'Set metadata on a network' },
    { name: 'opt', short: 'o', kind: map, fallback: 'map[]', help: 'Set driver specific options' },
    { name: 'scope', kind: text, help: "Control the network's scope" },
    { name: 'subnet', kind: list, label: 'strings', help: 'Subnet in CIDR format that represents a network segment' },
  ],
  async run(context, values) {
    const [name = ''] = values.args;
    const request = {
      Name: name,
      Driver: values.text('driver') ?? 'bridge',
      Scope: values.text('scope') ?? '',
      ...family('EnableIPv4', 'ipv4', values),
      ...family('EnableIPv6', 'ipv6', values),
      IPAM: {
        Driver: values.text('ipam-driver') ?? 'default',
        Options: pairs(values.list('ipam-opt')),
        Config: ipamConfigs({
          subnets: commaSeparated(values.list('subnet')),
          ranges: commaSeparated(values.list('ip-range')),
          gateways: commaSeparated(values.list('gateway')),
          auxiliary: pairs(values.list('aux-address')),
        }),
      },
      Internal: values.on('internal'),
      Attachable: values.on('attachable'),
      Ingress: values.on('ingress'),
      ConfigOnly: values.on('config-only'),
      ...(values.text('config-from') ? { ConfigFrom: { Network: values.text('config-from') ?? '' } } : {}),
      Options: pairs(values.list('opt')),
      Labels: pairs(values.list('label')),
    };
    const engine = await context.engine();
    const { Id, Warning } = await engine.networks.create(request);
    if (Warning) context.stderr.write(`WARNING: ${Warning}\n`);
    context.stdout.write(`${Id}\n`);
    return 0;
  },
};

/** Says nothing of a family that the user said nothing of: options of the network or of the daemon may. */
function family<const K extends string>(key: K, flag: string, values: Values): { [key in K]?: boolean } {
  return values.changed(flag) ? ({ [key]: values.on(flag) } as { [key in K]: boolean }) : {};
}
