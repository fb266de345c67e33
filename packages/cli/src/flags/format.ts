import { type Flag, text } from './flag.ts';

const TEMPLATES = `'json':             Print in JSON format
'TEMPLATE':         Print output using the given Go template.`;

/** `--format` of commands that print one document. */
export const formatFlag: Flag = {
  name: 'format',
  short: 'f',
  kind: text,
  help: `Format output using a custom template:\n${TEMPLATES}`,
};

/** `--format` of commands that print a list. */
export const listFormatFlag: Flag = {
  name: 'format',
  kind: text,
  help: `Format output using a custom template:
'table':            Print output in table format with column headers (default)
'table TEMPLATE':   Print output in table format using the given Go template
${TEMPLATES}`,
};
