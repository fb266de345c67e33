import type { ExplainedFile, Explanation, StoredImage } from '@gantry/images';
import type { ExplainedFileDocument, ImageExplanation } from './documents/index.ts';
import { NEVER } from './time.ts';

const NO_LAYER = { files: 0, sizeBytes: 0, hiddenBytes: 0, hidesBytes: 0 };

/** An image's explanation as the API answers it: the layers beside the instructions that made them. */
export function imageExplanation(image: StoredImage, explanation: Explanation): ImageExplanation {
  const { layers } = explanation;
  const size = layers.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const diffIds = image.config.rootfs.diff_ids;
  const recorded = image.config.history ?? [];
  // An image may have layers that its history does not tell of.
  const untold = diffIds.length - recorded.filter(step => !step.empty_layer).length;
  const history = [...recorded, ...Array.from({ length: Math.max(untold, 0) }, () => ({ created_by: '' }))];
  let next = 0;
  return {
    Id: image.id,
    RepoTags: [...image.repoTags],
    Size: size,
    Visible: explanation.visibleBytes,
    Hidden: explanation.hiddenBytes,
    Duplicate: explanation.duplicateBytes,
    Droppable: explanation.droppableBytes,
    Least: Math.max(explanation.visibleBytes - explanation.duplicateBytes - explanation.droppableBytes, 0),
    Steps: history.map((step: (typeof recorded)[number]) => {
      const layer = step.empty_layer ? undefined : next++;
      const { files, sizeBytes, hiddenBytes, hidesBytes } =
        (layer === undefined ? undefined : layers[layer]) ?? NO_LAYER;
      return {
        CreatedBy: step.created_by || (step.comment ?? ''),
        Created: step.created ?? NEVER,
        ...(layer === undefined ? {} : { Layer: layer, DiffId: diffIds[layer] ?? '' }),
        Files: files,
        Size: sizeBytes,
        Hidden: hiddenBytes,
        Hides: hidesBytes,
      };
    }),
    LargestFiles: explanation.largest.map(fileDocument),
    HiddenFiles: explanation.hidden.map(one => ({ ...fileDocument(one), By: one.by, How: one.how })),
    DuplicateFiles: explanation.duplicates.map(({ sizeBytes, files }) => ({
      Size: sizeBytes,
      Files: files.map(fileDocument),
    })),
    DroppableFiles: explanation.droppable.map(({ what, remedy, sizeBytes, files }) => ({
      What: what,
      Remedy: remedy,
      Size: sizeBytes,
      Files: files,
    })),
  };
}

const fileDocument = ({ path, layer, sizeBytes }: ExplainedFile): ExplainedFileDocument => ({
  Path: path,
  Layer: layer,
  Size: sizeBytes,
});
