import { digestOf } from '@gantry/oci';
import { imageArchive } from '../archive/layout.ts';
import { endOfArchive, paddingAfter, plainHeader } from '../tar/writer.ts';
import { saveArchive } from '../worker/save-task.ts';

/** One of a few images that share a layer, always the same for the same number. */
export function imageOf(n: number): { archive: Buffer; id: string; name: string } {
  const layers = ['shared', `own${n}`].map(text => {
    const bytes = layerArchive(text);
    return { bytes, diffId: digestOf(bytes) };
  });
  const rootfs = { type: 'layers', diff_ids: layers.map(layer => layer.diffId) };
  const configBytes = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', config: {}, rootfs }));
  const name = `kill:v${n}`;
  const members = imageArchive([{ configBytes, created: 1, names: [`docker.io/library/${name}`], layers }]);
  const archive = Buffer.concat(Array.from(saveArchive(members), piece => Buffer.from(piece)));
  return { archive, id: digestOf(configBytes), name };
}

/** The archive of a layer of forty small files, always the same for the same text. */
export function layerArchive(text: string): Buffer {
  const files = Array.from({ length: 40 }, (_, i) => {
    const member = { name: `${text}${i}`, type: 'file', mode: 0o644, sizeBytes: 3000, mtime: 1 } as const;
    return Buffer.concat([plainHeader(member), Buffer.alloc(3000, text), paddingAfter(3000)]);
  });
  return Buffer.concat([...files, endOfArchive()]);
}
