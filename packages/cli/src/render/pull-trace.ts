import { alignColumns } from './columns.ts';
import { humanSize, spanOfTime } from './units.ts';

/** Where a pull's time went, as the engine reports it with `explain`. */
type PullTrace = {
  readonly totalMs: number;
  readonly registry: string;
  readonly parts: readonly {
    readonly digest: string;
    readonly sizeBytes: number;
    readonly startMs: number;
    readonly endMs: number;
    readonly spans: Readonly<Record<string, number>>;
  }[];
};

/** Takes the trace out of an aux message; undefined for any other. */
export function pullTrace(aux: unknown): PullTrace | undefined {
  if (typeof aux !== 'object' || aux === null || !('PullTrace' in aux)) return undefined;
  return aux.PullTrace as PullTrace;
}

/** What a layer goes through, in order, and the sign that stands for it in its bar. */
const STEPS = [
  ['queue', 'waiting', '·'],
  ['name', 'name', '░'],
  ['connect', 'connect', '░'],
  ['token', 'token', '░'],
  ['answer', 'answer', '░'],
  ['download', 'download', '▒'],
  ['decompress', 'decompress', '▓'],
  ['hash', 'hash', '▓'],
  ['write', 'write', '█'],
  ['commit', 'commit', '█'],
] as const;

const LONGEST_LINE = 120;
const LABEL = 24;
const SIZE = 9;
const DURATION = 9;

/**
 * A chart of a pull: a bar from its start to its end for each layer, which shows in what share of that time which step was
 * busy, and a table with the numbers. Steps of a layer overlap, so they may add up to more than the layer's own time.
 */
export function pullTraceText({ totalMs, registry, parts }: PullTrace, width = 80): string {
  const room = Math.max(Math.min(width, LONGEST_LINE) - LABEL - SIZE - DURATION, 20);
  const lines = [
    '',
    `Where the ${spanOfTime(totalMs)} of this pull went (${registry || 'nothing was asked of a registry'}):`,
    `${' '.repeat(LABEL)}0${spanOfTime(totalMs).padStart(room - 1)}`,
  ];
  for (const { digest, sizeBytes, startMs, endMs, spans } of parts) {
    const label = digest === '' ? 'manifest, commit' : shortId(digest);
    const size = digest === '' ? '' : humanSize(sizeBytes, 3);
    const ms = digest === '' ? sum(Object.values(spans)) : endMs - startMs;
    const bar = digest === '' ? ends(spans, totalMs, room) : barOf(startMs, endMs, spans, totalMs, room);
    lines.push(
      `${`${label.padEnd(LABEL - 9)}${size.padStart(8)}`.padEnd(LABEL)}${bar.padEnd(room)}${spanOfTime(ms).padStart(DURATION)}`,
    );
  }
  const legend = [
    ['·', 'waiting'],
    ['░', 'name, connect, token, answer'],
    ['▒', 'download'],
    ['▓', 'decompress, hash'],
    ['█', 'write, commit'],
  ];
  lines.push(`${' '.repeat(LABEL)}${legend.map(([sign, text]) => `${sign} ${text}`).join('  ')}`, '');
  const used = STEPS.filter(([name]) => parts.some(({ spans }) => (spans[name] ?? 0) > 0));
  const rows = parts.map(({ digest, spans }) => [
    digest === '' ? 'manifest, commit' : shortId(digest),
    ...used.map(([name]) => (spans[name] === undefined ? '' : spanOfTime(spans[name]))),
  ]);
  const table = [['LAYER', ...used.map(([, title]) => title.toUpperCase())], ...rows]
    .map(row => row.join('\t'))
    .join('\n');
  lines.push(
    ...alignColumns(table, 8, 2)
      .split('\n')
      .map(line => line.trimEnd()),
    '',
  );
  return lines.join('\n');
}

const shortId = (digest: string): string => digest.slice(digest.indexOf(':') + 1).slice(0, 12);
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

function barOf(
  startMs: number,
  endMs: number,
  spans: Readonly<Record<string, number>>,
  totalMs: number,
  room: number,
): string {
  const from = Math.min(Math.floor((startMs / totalMs) * room), room - 1);
  const cells = Math.max(Math.round(((endMs - startMs) / totalMs) * room), 1);
  const busyMs = sum(STEPS.map(([name]) => spans[name] ?? 0));
  // Of steps that overlap each gets its share.
  const scale = cells / Math.max(busyMs, endMs - startMs, 1);
  let bar = '';
  let reachedMs = 0;
  for (const [name, , sign] of STEPS) {
    reachedMs += spans[name] ?? 0;
    bar += sign.repeat(Math.max(Math.round(reachedMs * scale) - bar.length, 0));
  }
  return `${' '.repeat(from)}${bar.slice(0, cells).padEnd(cells, '-')}`.slice(0, room);
}

/** What came before the layers stands at the left, the commit at the right. */
function ends(spans: Readonly<Record<string, number>>, totalMs: number, room: number): string {
  const cells = (ms: number): number => (ms <= 0 ? 0 : Math.max(Math.round((ms / totalMs) * room), 1));
  const commit = cells(spans.commit ?? 0);
  const before = cells(sum(Object.values(spans)) - (spans.commit ?? 0));
  return `${'░'.repeat(before)}${' '.repeat(Math.max(room - before - commit, 0))}${'█'.repeat(commit)}`;
}
