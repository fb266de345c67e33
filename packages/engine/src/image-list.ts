import { matchesGlob } from 'node:path';
import { systemError } from '@gantry/errors';
import type { StoredImage } from '@gantry/images';
import { familiarName, familiarReference, parseReference } from '@gantry/oci';
import type { EngineContext } from './context.ts';
import type { ImageSummary } from './documents/index.ts';
import type { Filters } from './engine.ts';
import { booleanFilter, checkFilters, matchesPairs, untilFilter } from './filters.ts';
import { imageSummary } from './image-documents.ts';
import { nowNs } from './time.ts';

const KEYS = new Set(['dangling', 'label', 'before', 'since', 'reference', 'until']);

/** The images that pass the filters, newest first. @throws invalidParameter, notFound for an image named by a filter */
export function listImages(
  context: EngineContext,
  {
    all,
    filters,
    sharedSize,
    manifests,
  }: {
    readonly all: boolean;
    readonly filters: Filters;
    readonly sharedSize: boolean;
    readonly manifests: boolean;
  },
): ImageSummary[] {
  checkFilters(filters, KEYS);
  const { images: store } = context.options;
  const dangling = booleanFilter(filters, 'dangling', false);
  const createdMs = (image: StoredImage): number => Date.parse(image.config.created ?? '') || 0;
  const bound = (key: string): number[] => [...(filters.get(key) ?? [])].map(ref => createdMs(store.get(ref)));
  const until = untilFilter(filters, nowNs());
  const before = Math.min(...bound('before'), until === undefined ? Infinity : Number(until / 1_000_000n));
  const since = Math.max(...bound('since'), -Infinity);
  const list = store.list();
  const parents = new Set(list.map(image => image.parentId));
  const summaries: ImageSummary[] = [];
  const shared = sharedSize ? sharedSizes(context, list) : undefined;
  for (const image of list) {
    const created = createdMs(image);
    if (created >= before || created <= since) continue;
    if (dangling && parents.has(image.id)) continue;
    if (!matchesPairs(filters, 'label', image.config.config?.Labels)) continue;
    // It is listed as a platform of the image whose name it has.
    const isNamed = image.repoTags.length + image.repoDigests.length > 0;
    if (!isNamed && image.besideNames.length > 0) continue;
    const summary = imageSummary(context, image, manifests);
    const patterns = filters.get('reference');
    if (patterns) {
      for (const pattern of patterns) checkPattern(pattern);
      summary.RepoTags = summary.RepoTags.filter(name => matchesReference(patterns, name));
      summary.RepoDigests = summary.RepoDigests.filter(name => matchesReference(patterns, name));
    }
    if (summary.RepoTags.length === 0 && summary.RepoDigests.length === 0) {
      if (patterns || (filters.has('dangling') && !dangling)) continue;
      if (!all && parents.has(image.id)) continue;
    } else if (dangling && summary.RepoTags.length > 0) continue;
    if (shared) summary.SharedSize = shared.get(image.id) ?? 0;
    summaries.push(summary);
  }
  return summaries.sort((a, b) => b.Created - a.Created);
}

/** @throws system as Go's path.Match does, which looks at a pattern when there is something to match */
function checkPattern(pattern: string): void {
  if (/(?:^|[^\\])\[\^?(?:\]|[^\]]*$|[^\]]*-\])|(?:^|[^\\])\\$/.test(pattern))
    throw systemError('syntax error in pattern');
}

/** Whether a glob matches the familiar name, with or without its tag. */
function matchesReference(patterns: ReadonlySet<string>, name: string): boolean {
  const reference = parseReference(name);
  const names = [familiarReference(reference), familiarName(reference)];
  return [...patterns].some(pattern => names.some(familiar => familiar === pattern || matchesGlob(familiar, pattern)));
}

/** Bytes of each image's layers that another image has too. */
function sharedSizes({ options: { images } }: EngineContext, list: readonly StoredImage[]): Map<string, number> {
  const users = new Map<string, number>();
  for (const { id } of list) {
    for (const { chainId } of images.layers(id)) users.set(chainId, (users.get(chainId) ?? 0) + 1);
  }
  const shared = (id: string): number =>
    images
      .layers(id)
      .filter(({ chainId }) => (users.get(chainId) ?? 0) > 1)
      .reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return new Map(list.map(({ id }) => [id, shared(id)]));
}
