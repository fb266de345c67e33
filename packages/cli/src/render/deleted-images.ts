import type { ImageDeleteItem } from '@gantry/client';

/** What a prune says of the images that it removed; nothing when there was none. */
export function deletedImages(items: readonly ImageDeleteItem[] | null): string {
  if (!items || items.length === 0) return '';
  const lines = items.map(item => ('Untagged' in item ? `untagged: ${item.Untagged}` : `deleted: ${item.Deleted}`));
  return `Deleted Images:\n${lines.join('\n')}\n\n`;
}
