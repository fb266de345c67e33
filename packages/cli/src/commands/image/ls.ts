import type { FilterValues, ImageSummary } from '@gantry/client';
import { atMost, type Command, type Context } from '../../command.ts';
import { ExitError } from '../../errors.ts';
import { parseFilters } from '../../filters.ts';
import { filter, toggle } from '../../flags/flag.ts';
import { listFormatFlag } from '../../flags/format.ts';
import type { Values } from '../../flags/parse.ts';
import { type ListFormat, type Row, renderList } from '../../render/list.ts';
import { localTime } from '../../render/local-time.ts';
import { humanDuration, humanSize } from '../../render/units.ts';

export const imageHeaders: Row = {
  ID: 'IMAGE ID',
  Repository: 'REPOSITORY',
  Tag: 'TAG',
  Digest: 'DIGEST',
  CreatedSince: 'CREATED',
  CreatedAt: 'CREATED AT',
  Size: 'SIZE',
  Containers: 'CONTAINERS',
  VirtualSize: 'SIZE',
  SharedSize: 'SHARED SIZE',
  UniqueSize: 'UNIQUE SIZE',
};

export const command: Command = {
  usage: '[REPOSITORY[:TAG]]',
  arity: atMost(1),
  flags: [
    { name: 'all', short: 'a', kind: toggle, help: 'Show all images (default hides intermediate images)' },
    { name: 'digests', kind: toggle, help: 'Show digests' },
    { name: 'filter', short: 'f', kind: filter, help: 'Filter output based on conditions provided' },
    listFormatFlag,
    { name: 'no-trunc', kind: toggle, help: "Don't truncate output" },
    { name: 'quiet', short: 'q', kind: toggle, help: 'Only show image IDs' },
    { name: 'tree', kind: toggle, help: 'List multi-platform images as a tree (EXPERIMENTAL)' },
  ],
  async run(context, values) {
    const filters = new Map(parseFilters(values.list('filter')));
    const [repository] = values.args;
    if (repository !== undefined) filters.set('reference', new Set([...(filters.get('reference') ?? []), repository]));
    if (values.on('tree')) return await listTree(context, values, filters);
    const engine = await context.engine();
    const images = await engine.images.list({ all: values.on('all'), filters });
    const format = values.text('format') || undefined;
    const digests = values.on('digests');
    const quiet = values.on('quiet');
    // Docker looks for this very text, so that JSON has no digests.
    const needDigest = digests || (format ?? '').includes('{{.Digest}}');
    const truncate = !values.on('no-trunc');
    const rows = images.flatMap(image => imageRows(image, { digests: needDigest, truncate }));
    const list: ListFormat = {
      format,
      quiet,
      table: `{{.Repository}}\t{{.Tag}}\t${digests ? '{{.Digest}}\t' : ''}{{.ID}}\t{{.CreatedSince}}\t{{.Size}}`,
      quietTemplate: '{{.ID}}',
      raw:
        `repository: {{.Repository}}\n{{if .Tag}}tag: {{.Tag}}\n{{end}}${digests ? '{{if .Digest}}digest: {{.Digest}}\n{{end}}' : ''}` +
        'image_id: {{.ID}}\ncreated_at: {{.CreatedAt}}\nvirtual_size: {{.Size}}\n',
      headers: imageHeaders,
      typeName: '*formatter.imageContext',
    };
    context.stdout.write(renderList(rows, list));
    const isVerb = context.spelling === 'images' && repository !== undefined && IMAGE_VERBS.has(repository);
    if (isVerb && images.length === 0) {
      const meant = `No images found matching "${repository}": did you mean "gantry image ${repository}"?`;
      context.stderr.write(`\n${meant}\n`);
    }
    return 0;
  },
};

/** What follows `image` in other commands, and is taken for a name after `images`. */
const IMAGE_VERBS = new Set('build history import inspect list load ls prune pull push rm save tag'.split(' '));

async function listTree(context: Context, values: Values, filters: FilterValues): Promise<number> {
  const unsupported = [
    values.on('quiet') && '--quiet',
    values.on('no-trunc') && '--no-trunc',
    values.on('digests') && '--show-digest',
    values.text('format') && '--format',
  ].find(flag => flag);
  if (unsupported) throw new ExitError(1, `${unsupported} is not yet supported with --tree`);
  const { imageTree } = await import('../../render/image-tree.ts');
  const engine = await context.engine();
  const images = await engine.images.list({ all: values.on('all'), filters, manifests: true });
  const isShown = ({ RepoTags, RepoDigests }: ImageSummary): boolean =>
    values.on('all') || (RepoTags ?? []).length > 0 || (RepoDigests ?? []).length > 0;
  const { isTTY, columns } = context.stdout;
  context.stdout.write(imageTree(images.filter(isShown), { width: columns ?? 0, isTerminal: isTTY === true }));
  return 0;
}

/** What templates see of an image, once for each of its names. */
export function imageRows(
  image: ImageSummary,
  { digests, truncate }: { readonly digests: boolean; readonly truncate: boolean },
): readonly Row[] {
  return names(image, digests).map(name => row(image, ...name, truncate));
}

type Name = readonly [repository: string, tag: string, digest: string];
const NONE = '<none>';

/** The rows of an image: one a tag, with its repository's digests beside it, then repositories known by digest alone. */
function names(image: ImageSummary, needDigest: boolean): readonly Name[] {
  const group = (references: readonly string[] | null, separator: string) => {
    const groups = new Map<string, string[]>();
    for (const reference of references ?? []) {
      const at = reference.lastIndexOf(separator);
      if (at < 0) continue;
      const name = reference.slice(0, at);
      groups.set(name, [...(groups.get(name) ?? []), reference.slice(at + 1)]);
    }
    groups.delete(NONE);
    return groups;
  };
  const tags = group(image.RepoTags, ':');
  const digests = group(image.RepoDigests, '@');
  const rows: Name[] = [];
  for (const [repository, own] of tags) {
    const beside = needDigest ? (digests.get(repository) ?? []) : [];
    for (const tag of own) {
      if (beside.length === 0) rows.push([repository, tag, NONE]);
      for (const digest of beside) rows.push([repository, tag, digest]);
    }
    digests.delete(repository);
  }
  for (const [repository, own] of digests) {
    if (!needDigest) rows.push([repository, NONE, '']);
    else for (const digest of own) rows.push([repository, NONE, digest]);
  }
  return rows.length > 0 ? rows : [[NONE, NONE, NONE]];
}

function row(image: ImageSummary, repository: string, tag: string, digest: string, truncate: boolean): Row {
  const size = humanSize(image.Size, 3);
  const known = (bytes: number) => (bytes === -1 ? 'N/A' : humanSize(bytes, 3));
  return {
    ID: truncate ? image.Id.replace(/^sha256:/, '').slice(0, 12) : image.Id,
    Repository: repository,
    Tag: tag,
    Digest: digest,
    CreatedSince: image.Created > 0 ? `${humanDuration(Date.now() - image.Created * 1000)} ago` : 'N/A',
    get CreatedAt() {
      return localTime(image.Created);
    },
    Size: size,
    Containers: image.Containers === -1 ? 'N/A' : String(image.Containers),
    VirtualSize: humanSize(image.Size),
    SharedSize: known(image.SharedSize),
    UniqueSize: image.SharedSize === -1 ? 'N/A' : humanSize(image.Size - image.SharedSize, 3),
  };
}
