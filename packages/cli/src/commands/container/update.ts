import { atLeast, type Command, type Context } from '../../command.ts';
import { forEach } from '../../each.ts';
import { ExitError } from '../../errors.ts';
import { type Flag, list } from '../../flags/flag.ts';
import type { Values } from '../../flags/parse.ts';
import { parseBytes } from '../../render/units.ts';
import { containerFlags } from '../../run/flags.ts';
import { changeBindings } from '../../run/republish.ts';
import { parseRestartPolicy } from '../../run/restart.ts';

const SHARED: ReadonlySet<string> = new Set([
  'blkio-weight',
  'cpu-period',
  'cpu-quota',
  'cpu-rt-period',
  'cpu-rt-runtime',
  'cpu-shares',
  'cpus',
  'cpuset-cpus',
  'cpuset-mems',
  'memory',
  'memory-reservation',
  'memory-swap',
  'pids-limit',
  'restart',
]);

const publishing: readonly Flag[] = [
  { name: 'publish-add', kind: list, help: "Publish more of the container's ports, while it runs too" },
  {
    name: 'publish-rm',
    kind: list,
    help: "Publish a port no longer: as it is published, or the container's port alone",
  },
];

export const command: Command = {
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  arity: atLeast(1),
  flags: [...containerFlags.filter(({ name }) => SHARED.has(name)), ...publishing],
  async run(context, values) {
    if (![...SHARED, 'publish-add', 'publish-rm'].some(name => values.changed(name))) {
      throw new ExitError(1, 'you must provide one or more flags when using this command');
    }
    const engine = await context.engine();
    const limits = limitsOf(values);
    const warnings: string[] = [];
    const status = await forEach(context, values.args, async name => {
      const ports = await portsOf(context, values, name);
      const { Warnings } = await engine.containers.update(name, { ...limits, ...ports });
      warnings.push(...(Warnings ?? []));
    });
    for (const warning of warnings) context.stderr.write(`${warning}\n`);
    return status;
  },
};

async function portsOf(context: Context, values: Values, name: string) {
  const [add, remove] = [values.list('publish-add'), values.list('publish-rm')];
  if (add.length + remove.length === 0) return {};
  const { HostConfig } = await (await context.engine()).containers.inspect(name);
  return { PortBindings: changeBindings(HostConfig.PortBindings, add, remove) };
}

/** Only what was given: 0 and empty mean unchanged to the engine. */
function limitsOf(values: Values) {
  const numbers = {
    BlkioWeight: 'blkio-weight',
    CpuPeriod: 'cpu-period',
    CpuQuota: 'cpu-quota',
    CpuRealtimePeriod: 'cpu-rt-period',
    CpuRealtimeRuntime: 'cpu-rt-runtime',
    CpuShares: 'cpu-shares',
    PidsLimit: 'pids-limit',
  } as const;
  const sizes = { Memory: 'memory', MemoryReservation: 'memory-reservation', MemorySwap: 'memory-swap' } as const;
  const texts = { CpusetCpus: 'cpuset-cpus', CpusetMems: 'cpuset-mems' } as const;
  const given = <Read>(fields: Readonly<Record<string, string>>, read: (text: string) => Read) =>
    Object.fromEntries(
      Object.entries(fields)
        .filter(([, name]) => values.changed(name))
        .map(([field, name]) => [field, read(values.text(name) ?? '')]),
    );
  return {
    ...given(numbers, Number),
    ...given(sizes, text => (text === '-1' ? -1 : parseBytes(text))),
    ...given(texts, text => text),
    ...(values.changed('cpus') ? { NanoCpus: Math.round(Number(values.text('cpus')) * 1e9) } : {}),
    ...(values.changed('restart') ? { RestartPolicy: parseRestartPolicy(values.text('restart') ?? '') } : {}),
  };
}
