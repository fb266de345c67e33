import type { JobDocument, StartExplanation } from '@gantry/client';
import { spanOfTime } from './units.ts';

const BAR = 24;
const TIME = 9;

/** Times in milliseconds since the start of the job. */
type Part = { readonly what: string; readonly afterMs: number; readonly durationMs: number };

const SECTIONS = {
  prepare: 'its shim, before there is a process',
  clone: 'the birth of its first process',
  parent: 'its shim, beside that process',
  child: 'the process itself, until it becomes the program',
} as const;

/**
 * How a container came to run: where the time of the engine went, and each step of its launch plan, with a bar that shows when.
 * @param width of the terminal, beyond which a step is cut; whole steps when left out
 */
export function startText(job: StartExplanation, width?: number): string {
  const sections = Object.entries(SECTIONS).map(([section, title]) => {
    const steps = job.Steps.filter(({ Section }) => Section === section);
    const parts = steps.map(step => ({ what: step.Step, afterMs: step.AfterMs, durationMs: step.DurationMs }));
    return chart(title, parts, job.DurationMs, width);
  });
  return [
    `How ${shortObject(job.Object)} was started, in ${spanOfTime(job.DurationMs)}`,
    chart('the engine', spansOf(job), job.DurationMs, width),
    ...sections,
  ].join('');
}

/** A job, and below it where its time went. */
export function jobText(job: JobDocument, width?: number): string {
  const { Outcome, DurationMs, Error: error } = job;
  const end = Outcome === 'running' ? `runs for ${spanOfTime(DurationMs)}` : `${Outcome} in ${spanOfTime(DurationMs)}`;
  const title = `${job.Started} ${job.Verb} ${shortObject(job.Object)}`.trimEnd();
  return `${title}: ${end}${error === undefined ? '' : `\n  ${error}`}${chart('', spansOf(job), DurationMs, width)}`;
}

function spansOf({ Spans }: JobDocument): Part[] {
  return Spans.map(({ Name, AfterMs, DurationMs }) => ({ what: Name, afterMs: AfterMs, durationMs: DurationMs }));
}

function chart(title: string, parts: readonly Part[], totalMs: number, width: number | undefined): string {
  const heading = title === '' ? '\n' : `\n\n${title}\n`;
  if (parts.length === 0) return title === '' ? '\n' : '';
  return heading + parts.map(part => line(part, totalMs, width)).join('\n');
}

function line({ what, afterMs, durationMs }: Part, totalMs: number, width: number | undefined): string {
  const from = Math.min(Math.max(Math.floor((afterMs / totalMs) * BAR), 0), BAR - 1);
  const cells = Math.min(Math.max(Math.round((durationMs / totalMs) * BAR), 1), BAR - from);
  const bar = `${' '.repeat(from)}${(durationMs / totalMs < 0.5 / BAR ? '▏' : '█').repeat(cells)}`.padEnd(BAR);
  const text = `${time(afterMs)}${time(durationMs)}  ${bar}  ${what.replace(/\b[0-9a-f]{64}\b/g, shortObject)}`;
  return width === undefined || text.length <= width ? text : `${text.slice(0, Math.max(width - 1, 0))}…`;
}

const time = (ms: number): string => spanOfTime(Math.max(ms, 0), { micro: true }).padStart(TIME);

/** Long ids as lists show them. */
function shortObject(object: string): string {
  return /^[0-9a-f]{64}$/.test(object) ? object.slice(0, 12) : object;
}
