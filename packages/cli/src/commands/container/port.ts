import type { Command } from '../../command.ts';
import { ExitError } from '../../errors.ts';
import { hostPort } from '../../render/ports.ts';

export const command: Command = {
  usage: 'CONTAINER [PRIVATE_PORT[/PROTO]]',
  arity: { least: 1, most: 2 },
  flags: [],
  async run(context, values) {
    const [name = '', wanted] = values.args;
    const engine = await context.engine();
    const { NetworkSettings } = await engine.containers.inspect(name);
    const ports = NetworkSettings.Ports ?? {};
    if (wanted !== undefined) {
      const [port = '', protocol = 'tcp'] = wanted.split('/');
      if (!/^\d+$/.test(port) || Number(port) > 65535) {
        const reason = /^\d+$/.test(port) ? 'value out of range' : 'invalid syntax';
        throw new ExitError(
          1,
          `Error: invalid port (${port}): strconv.ParseUint: parsing ${JSON.stringify(port)}: ${reason}`,
        );
      }
      const bindings = ports[`${port}/${protocol}`];
      if (!bindings?.length) throw new ExitError(1, `Error: No public port '${wanted}' published for ${name}`);
      const lines = bindings.map(binding => hostPort(binding.HostIp, binding.HostPort));
      context.stdout.write(`${lines.sort().join('\n')}\n`);
      return 0;
    }
    const lines = Object.entries(ports).flatMap(([port, bindings]) =>
      (bindings ?? []).map(binding => ({ port, text: `${port} -> ${hostPort(binding.HostIp, binding.HostPort)}` })),
    );
    lines.sort((a, b) => Number.parseInt(a.port, 10) - Number.parseInt(b.port, 10) || (a.text < b.text ? -1 : 1));
    if (lines.length > 0) context.stdout.write(`${lines.map(line => line.text).join('\n')}\n`);
    return 0;
  },
};
