import type { ImageSummary } from '@gantry/client';
import { humanSize } from './units.ts';

/** What the columns beside the name say of an image, or of one of its platforms. */
type Details = {
  readonly id: string;
  readonly diskUsage: string;
  readonly contentSize: string;
  readonly isInUse: boolean;
};
type Branch = Details & { readonly platform: string; readonly isAvailable: boolean };
type Tree = Details & { readonly names: readonly string[]; readonly branches: readonly Branch[] };

type PlatformParts = { readonly os: string; readonly architecture: string; readonly variant?: string };

type Column = {
  readonly title: string;
  readonly width: number;
  readonly toRight?: boolean;
  /** Keeps its own colours. */
  readonly isPlain?: boolean;
  readonly text: (details: Details) => string;
};

/** Colours of the terminal; none anywhere else. */
type Paint = Readonly<Record<'warning' | 'title' | 'name' | 'text' | 'absent' | 'faint', (text: string) => string>>;

const SPACING = '   ';
/** A name has at least this much room; columns that would leave it less are left out. */
const NARROWEST_NAME = 12;
const sgr =
  (...codes: readonly number[]) =>
  (text: string): string =>
    `${codes.map(code => `\x1b[${code}m`).join('')}${text}\x1b[0m`;
const COLOURS: Paint = {
  warning: sgr(93),
  title: sgr(39, 1),
  name: sgr(34, 1),
  text: sgr(39),
  absent: sgr(39, 2),
  faint: sgr(39, 2),
};
const as = (text: string): string => text;
const NO_COLOURS: Paint = { warning: as, title: as, name: as, text: as, absent: as, faint: as };

/**
 * Draws images with their platforms below them, newest first, as `docker image ls --tree` does.
 * @param width of the terminal, in columns
 */
export function imageTree(
  images: readonly ImageSummary[],
  { width, isTerminal }: { readonly width: number; readonly isTerminal: boolean },
): string {
  const paint = isTerminal ? COLOURS : NO_COLOURS;
  const trees = images.toSorted((a, b) => b.Created - a.Created).map(treeOf);
  const isSpaced = trees.some(({ branches }) => branches.length > 0);
  const marksUse = trees.some(({ branches }) => branches.some(({ isInUse }) => isInUse));
  const room = Math.max(width || 80, 20);
  const columns = fit(room, columnsOf(isTerminal, marksUse), trees);
  const [first, ...others] = columns;
  const nameWidth = first?.width ?? 0;
  const details = (line: Details, colour: (text: string) => string): string =>
    others.map(column => SPACING + cell(column.text(line), column, column.isPlain ? as : colour)).join('');
  const lines = [
    paint.warning("WARNING: This is an experimental feature. The output may change and shouldn't be depended on."),
    legend(room, isTerminal),
    '',
    columns.map(column => cell(column.title.toUpperCase(), column, paint.title)).join(SPACING),
  ];
  for (const tree of trees) {
    const names = tree.names.toSorted((a, b) => Buffer.byteLength(b) - Buffer.byteLength(a));
    const last = names.pop();
    for (const name of names) lines.push(paint.name(isTerminal && width > 0 ? shortened(name, width) : name));
    const head = cell(last ?? '<untagged>', { width: nameWidth }, last === undefined ? paint.faint : paint.name);
    lines.push(head + details(tree, paint.text));
    tree.branches.forEach((branch, at) => {
      const colour = branch.isAvailable ? paint.text : paint.absent;
      const stem = at === tree.branches.length - 1 ? '└─ ' : '├─ ';
      lines.push(cell(stem + branch.platform, { width: nameWidth }, colour) + details(branch, colour));
    });
    if (isSpaced) lines.push('');
  }
  return `${lines.join('\n')}\n`;
}

function treeOf(image: ImageSummary): Tree {
  const manifests = image.Manifests ?? [];
  const branches = manifests.flatMap(({ ID, Available, Kind, Size, ImageData }) =>
    Kind !== 'image' || !ImageData
      ? []
      : {
          id: ID,
          platform: platformText(ImageData.Platform),
          isAvailable: Available,
          diskUsage: humanSize(Size.Total, 3),
          contentSize: humanSize(Size.Content, 3),
          isInUse: (ImageData.Containers ?? []).length > 0,
        },
  );
  return {
    id: image.Id,
    names: image.RepoTags ?? [],
    diskUsage: humanSize(image.Size, 3),
    contentSize: humanSize(
      manifests.reduce((sum, { Size }) => sum + Size.Content, 0),
      3,
    ),
    isInUse: image.Containers > 0 || branches.some(({ isInUse }) => isInUse),
    branches,
  };
}

function platformText({ os, architecture, variant = '' }: PlatformParts): string {
  return os === '' ? 'unknown' : [os, architecture, variant].filter(part => part !== '').join('/');
}

const chip = (isTerminal: boolean): string => (isTerminal ? '\x1b[38;5;0m\x1b[48;5;14m U \x1b[0m' : 'U');

function columnsOf(isTerminal: boolean, marksUse: boolean): readonly Column[] {
  const unused = isTerminal ? '   ' : ' ';
  return [
    { title: 'Image', width: 0, text: () => '' },
    { title: 'ID', width: 12, text: ({ id }) => id.replace(/^.*:/, '').slice(0, 12) },
    { title: 'Disk usage', width: 10, toRight: true, text: ({ diskUsage }) => diskUsage },
    { title: 'Content size', width: 12, toRight: true, text: ({ contentSize }) => contentSize },
    {
      title: 'Extra',
      width: 5,
      isPlain: true,
      text: ({ isInUse }) => (marksUse ? (isInUse ? chip(isTerminal) : unused) : ''),
    },
  ];
}

/** Gives the names what the other columns leave of the width, at most what the longest needs. */
function fit(width: number, columns: readonly Column[], trees: readonly Tree[]): readonly Column[] {
  let left = width;
  const kept: Column[] = [];
  for (const column of columns) {
    const taken = column.width === 0 ? 0 : column.width + SPACING.length;
    if (taken > 0 && left - taken < NARROWEST_NAME) break;
    left -= taken;
    kept.push(column);
  }
  const [first, ...others] = kept;
  if (!first) return kept;
  // Docker counts the bytes of the branches' stems.
  const widest = Math.max(
    first.title.length,
    ...trees.flatMap(({ names, branches }) => [
      ...names.map(name => Buffer.byteLength(name)),
      ...branches.map(({ platform }) => Buffer.byteLength(`└─ ${platform}`)),
    ]),
  );
  return [{ ...first, width: Math.min(left, widest) }, ...others];
}

function legend(width: number, isTerminal: boolean): string {
  const fancy = '\x1b[1m\x1b[106m\x1b[30mi\x1b[0m\x1b[0m \x1b[96mInfo → \x1b[0m\x1b[0m';
  const text = `${isTerminal ? fancy : ' Info -> '} ${chip(isTerminal)} In Use `;
  return text.padStart(width + text.length - visibleWidth(text));
}

/** One cell, padded to its column or cut with an ellipsis. */
function cell(
  text: string,
  { width, toRight }: Pick<Column, 'width' | 'toRight'>,
  colour: (text: string) => string,
): string {
  const own = visibleWidth(text);
  if (own > width) return colour(shortened(text, width));
  const padding = ' '.repeat(width - own);
  return toRight ? padding + colour(text) : colour(text) + padding;
}

function shortened(text: string, width: number): string {
  const characters = [...text];
  return characters.length < width ? text : `${characters.slice(0, width - 1).join('')}…`;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the colours are escape sequences
const visibleWidth = (text: string): number => [...text.replace(/\x1b\[[0-9;]*m/g, '')].length;
