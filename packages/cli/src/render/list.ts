import { compileTemplate, type Template, TemplateError, toJson } from '@gantry/template';
import { ExitError } from '../errors.ts';
import { alignColumns } from './columns.ts';

export type Row = Readonly<Record<string, unknown>>;

export type ListFormat = {
  /** What --format says; undefined when it is not given. */
  readonly format: string | undefined;
  readonly quiet: boolean;
  /** The table shown without --format, with the word `table` and the columns. */
  readonly table: string;
  /** The template shown with --quiet. */
  readonly quietTemplate: string;
  /** The template shown with `--format raw`. */
  readonly raw?: string;
  /** A column's title by field. */
  readonly headers: Row;
  /** Go's name of the row's type, for messages. */
  readonly typeName: string;
  /** What messages say of a template that cannot be read, or executed; `template parsing error` of both when not given. */
  readonly problems?: { readonly parse: string; readonly execute: string };
};

/** A list as text: a table, one JSON document a row, or a template's output. @throws ExitError for a broken template */
export function renderList(rows: readonly Row[], list: ListFormat): string {
  const format = list.format ?? 'table';
  if (format === 'json' || format === '{{json .}}') {
    return rows.map(row => `${toJson(sortedRow(row), true)}\n`).join('');
  }
  const words = /^table\b(.*)$/s.exec(format);
  let source = words ? words[1]?.trim() || (list.quiet ? list.quietTemplate : list.table) : format;
  if (format === 'raw' && list.raw !== undefined) source = list.quiet ? `${list.quietTemplate}` : list.raw;
  else if (words && list.quiet) source = list.quietTemplate;
  source = source.replaceAll('\\t', '\t').replaceAll('\\n', '\n');
  const template = compile(source, list.problems?.parse);
  const withHeader = words && !list.quiet;
  const header = withHeader ? `${run(template, headerRow(list), list)}\n` : '';
  const body = rows.map(row => `${run(template, row, list)}\n`).join('');
  return words ? alignColumns(header + body) : body;
}

const TEMPLATE_PROBLEM = 'template parsing error';

/** Parses a template for --format. @throws ExitError with Docker's words */
export function compile(source: string, problem = TEMPLATE_PROBLEM): Template {
  try {
    return compileTemplate(source);
  } catch (error) {
    if (error instanceof TemplateError) throw new ExitError(1, `${problem}: ${error.message}`);
    throw error;
  }
}

function run(template: Template, row: Row, { typeName, problems }: ListFormat): string {
  try {
    return template(row, { typeName });
  } catch (error) {
    if (error instanceof TemplateError)
      throw new ExitError(1, `${problems?.execute ?? TEMPLATE_PROBLEM}: ${error.message}`);
    throw error;
  }
}

/** Stands for every field: its title, else the field's name in capitals. */
function headerRow(list: ListFormat): Row {
  return Object.fromEntries(Object.entries(list.headers));
}

/** A row's fields as JSON has them: by name, without functions. */
export function sortedRow(row: Row): Row {
  const pairs = Object.entries(row).filter(([, value]) => typeof value !== 'function');
  return Object.fromEntries(pairs.sort(([a], [b]) => (a < b ? -1 : 1)));
}
