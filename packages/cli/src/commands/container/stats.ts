import type { EngineClient, StatsDocument } from '@gantry/client';
import { atLeast, type Command, type Context } from '../../command.ts';
import { toggle } from '../../flags/flag.ts';
import { listFormatFlag } from '../../flags/format.ts';
import { type ListFormat, type Row, renderList } from '../../render/list.ts';
import { binarySize, humanSize } from '../../render/units.ts';
import { measure, type Usage } from '../../render/usage.ts';

/** How often a terminal is drawn again. */
const REDRAW_MS = 500;
const [HOME, REST_OF_LINE, REST_OF_SCREEN, WHOLE_SCREEN] = ['\x1b[H', '\x1b[K', '\x1b[J', '\x1b[2J'];

/** A container that is looked at, and its latest sample. */
type Watched = { readonly ref: string; id: string; name: string; usage?: Usage; failure?: unknown };

export const command: Command = {
  usage: '[CONTAINER...]',
  arity: atLeast(0),
  flags: [
    { name: 'all', short: 'a', kind: toggle, help: 'Show all containers (default shows just running)' },
    listFormatFlag,
    { name: 'no-stream', kind: toggle, help: 'Disable streaming stats and only pull the first result' },
    { name: 'no-trunc', kind: toggle, help: 'Do not truncate output' },
  ],
  async run(context, values) {
    const engine = await context.engine();
    const stream = !values.on('no-stream');
    const end = new AbortController();
    const watched = new Map<string, Watched>();
    const first: Promise<void>[] = [];
    const watch = (ref: string, name = ''): void => {
      const one: Watched = { ref, id: ref, name };
      watched.set(ref, one);
      first.push(follow(engine, one, stream, end.signal));
    };
    if (values.args.length > 0) for (const ref of values.args) watch(ref);
    else {
      for (const { Id, Names } of await engine.containers.list({ all: values.on('all') })) {
        watch(Id, Names[0]?.replace(/^\//, ''));
      }
      if (stream) void followEvents(engine, watched, watch, values.on('all'), end.signal);
    }
    await Promise.all(first);
    const failed = [...watched.values()].find(({ failure }) => failure !== undefined && values.args.length > 0);
    if (failed) {
      end.abort();
      throw failed.failure;
    }
    const draw = (): string =>
      renderList(
        [...watched.values()]
          .filter(({ failure }) => failure === undefined)
          .map(one => row(one, !values.on('no-trunc'))),
        { ...list, format: values.text('format') || undefined },
      );
    if (!stream) {
      context.stdout.write(draw());
      return 0;
    }
    await redraw(context, draw, () => values.args.length > 0 && [...watched.values()].every(({ failure }) => failure));
    end.abort();
    return 0;
  },
};

/** Resolves with the first sample; the others come as long as the container runs. */
function follow(engine: EngineClient, one: Watched, stream: boolean, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const read = async (): Promise<void> => {
    try {
      for await (const sample of await engine.containers.stats(one.ref, { stream, signal })) {
        take(one, sample);
        resolve();
      }
    } catch (error) {
      one.failure = error;
    }
    resolve();
  };
  void read();
  return promise;
}

function take(one: Watched, sample: StatsDocument): void {
  one.id = sample.id ?? one.id;
  one.name = sample.name?.replace(/^\//, '') ?? one.name;
  one.usage = measure(sample);
}

/** Containers come and go while all are watched. */
async function followEvents(
  engine: EngineClient,
  watched: Map<string, Watched>,
  watch: (id: string, name?: string) => void,
  all: boolean,
  signal: AbortSignal,
): Promise<void> {
  const actions = all ? ['create', 'destroy'] : ['start', 'die'];
  const filters = new Map([
    ['type', new Set(['container'])],
    ['event', new Set(actions)],
  ]);
  try {
    for await (const { event } of await engine.system.events({ filters }, signal)) {
      if (event.Action === 'create' || event.Action === 'start') watch(event.Actor.ID, event.Actor.Attributes.name);
      else watched.delete(event.Actor.ID);
    }
  } catch {
    // The engine has ended, or this command.
  }
}

/** Draws again and again, until nothing is left to draw or a person interrupts. */
async function redraw(context: Context, draw: () => string, isOver: () => boolean): Promise<void> {
  context.stdout.write(WHOLE_SCREEN);
  while (!isOver()) {
    context.stdout.write(`${HOME}${draw().replaceAll('\n', `${REST_OF_LINE}\n`)}${REST_OF_SCREEN}`);
    await new Promise(again => setTimeout(again, REDRAW_MS));
  }
}

const list: ListFormat = {
  format: undefined,
  quiet: false,
  table: '{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}',
  quietTemplate: '{{.ID}}',
  headers: {
    Container: 'CONTAINER',
    ID: 'CONTAINER ID',
    Name: 'NAME',
    CPUPerc: 'CPU %',
    MemUsage: 'MEM USAGE / LIMIT',
    MemPerc: 'MEM %',
    NetIO: 'NET I/O',
    BlockIO: 'BLOCK I/O',
    PIDs: 'PIDS',
  },
  typeName: '*container.statsContext',
};

function row({ ref, id, name, usage }: Watched, truncate: boolean): Row {
  const percent = (value: number): string => `${value.toFixed(2)}%`;
  const size = (bytes: number): string => humanSize(bytes, 3);
  return {
    Container: ref.length === 64 && truncate ? ref.slice(0, 12) : ref,
    ID: truncate ? id.slice(0, 12) : id,
    Name: name || '--',
    CPUPerc: usage ? percent(usage.cpuPercent) : '--',
    MemUsage: usage ? `${binarySize(usage.memoryBytes)} / ${binarySize(usage.memoryLimitBytes)}` : '-- / --',
    MemPerc: usage ? percent(usage.memoryPercent) : '--',
    NetIO: usage ? `${size(usage.receivedBytes)} / ${size(usage.sentBytes)}` : '--',
    BlockIO: usage ? `${size(usage.readBytes)} / ${size(usage.writtenBytes)}` : '--',
    PIDs: usage ? String(usage.pids) : '--',
  };
}
