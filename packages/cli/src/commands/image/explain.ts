import type { ExplainedFileDocument, ImageExplanation } from '@gantry/client';
import { type Command, exactly } from '../../command.ts';
import { ExitError } from '../../errors.ts';
import { text, toggle } from '../../flags/flag.ts';
import { alignColumns } from '../../render/columns.ts';
import { humanSize } from '../../render/units.ts';

export const command: Command = {
  usage: 'IMAGE',
  arity: exactly(1),
  flags: [
    {
      name: 'format',
      kind: text,
      help: "Format of the output:\n'table':            Tables for people (default)\n'json':             The whole report as JSON",
    },
    { name: 'no-trunc', kind: toggle, help: "Don't truncate instructions and lists" },
    { name: 'platform', kind: text, help: 'Explain this platform of the image (os/arch[/variant])' },
  ],
  async run(context, values) {
    const format = values.text('format') || 'table';
    if (format !== 'table' && format !== 'json')
      throw new ExitError(1, `unknown format ${format}: choose table or json`);
    const whole = values.on('no-trunc');
    const platform = values.text('platform');
    const report = await (await context.engine()).images.explain(values.args[0] ?? '', {
      limit: whole || format === 'json' ? 1000 : 10,
      ...(platform ? { platform } : {}),
    });
    context.stdout.write(format === 'json' ? `${JSON.stringify(report, undefined, 2)}\n` : tables(report, whole));
    return 0;
  },
};

const size = (bytes: number): string => humanSize(bytes, 3);
const zeroBlank = (bytes: number): string => (bytes === 0 ? '' : size(bytes));
const MAX_INSTRUCTION = 72;

function tables(report: ImageExplanation, whole: boolean): string {
  const name = report.RepoTags[0] ?? report.Id;
  const instruction = (text: string): string => {
    const line = text.replace(/\s+/g, ' ').replace(/^\/bin\/sh -c (#\(nop\) *)?/, '');
    return whole || line.length <= MAX_INSTRUCTION ? line : `${line.slice(0, MAX_INSTRUCTION - 1)}…`;
  };
  const file = ({ Path, Layer, Size }: ExplainedFileDocument): string => `${size(Size)}\t${Layer}\t${Path}`;
  return [
    `${name}: ${size(report.Size)} in ${report.Steps.filter(({ Layer }) => Layer !== undefined).length} layers; ` +
      `a container sees ${size(report.Visible)}\n`,
    section(
      '',
      'LAYER\tSIZE\tFILES\tHIDDEN LATER\tHIDES\tINSTRUCTION',
      report.Steps.map(
        step =>
          `${step.Layer ?? '-'}\t${zeroBlank(step.Size)}\t${step.Files || ''}\t${zeroBlank(step.Hidden)}\t${zeroBlank(step.Hides)}\t${instruction(step.CreatedBy)}`,
      ),
    ),
    section('Largest files', 'SIZE\tLAYER\tPATH', report.LargestFiles.map(file)),
    section(
      `Stored but hidden by later layers: ${size(report.Hidden)}`,
      'SIZE\tLAYER\tBY\tHOW\tPATH',
      report.HiddenFiles.map(({ Size, Layer, By, How, Path }) => `${size(Size)}\t${Layer}\t${By}\t${How}\t${Path}`),
    ),
    section(
      `Stored more than once: ${size(report.Duplicate)}`,
      'EACH\tCOPIES\tPATHS',
      report.DuplicateFiles.map(
        ({ Size, Files }) => `${size(Size)}\t${Files.length}\t${Files.map(({ Path }) => Path).join(' ')}`,
      ),
    ),
    section(
      `A smaller image would drop: ${size(report.Droppable)}`,
      'SIZE\tFILES\tWHAT\tHOW',
      report.DroppableFiles.map(({ Size, Files, What, Remedy }) => `${size(Size)}\t${Files}\t${What}\t${Remedy}`),
    ),
    `Without all of that: ${size(report.Least)}\n`,
  ].join('');
}

function section(title: string, header: string, rows: readonly string[]): string {
  if (rows.length === 0) return '';
  return `${title === '' ? '' : `\n${title}\n`}${alignColumns(`${[header, ...rows].join('\n')}\n`)}`;
}
