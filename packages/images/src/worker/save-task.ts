import { rebuildLayer } from '../storage/rebuild-layer.ts';
import { endOfArchive, paddingAfter, plainHeader } from '../tar/writer.ts';

/** A member of an archive that is written, in order. */
export type SaveMember =
  | { readonly kind: 'directory'; readonly name: string; readonly mtime: number }
  | { readonly kind: 'bytes'; readonly name: string; readonly mtime: number; readonly bytes: Uint8Array }
  | {
      readonly kind: 'layer';
      readonly name: string;
      readonly mtime: number;
      readonly directory: string;
      readonly diffId: string;
      readonly archiveBytes: number;
    };

/** Writes an archive piece by piece; layers are rebuilt as they go by. A piece is valid until the next. */
export function* saveArchive(members: readonly SaveMember[]): Generator<Buffer> {
  for (const member of members) {
    const { name, mtime } = member;
    if (member.kind === 'directory') {
      yield plainHeader({ name: `${name}/`, type: 'directory', mode: 0o755, sizeBytes: 0, mtime });
      continue;
    }
    const sizeBytes = member.kind === 'bytes' ? member.bytes.byteLength : member.archiveBytes;
    yield plainHeader({ name, type: 'file', mode: 0o644, sizeBytes, mtime });
    if (member.kind === 'bytes') yield Buffer.from(member.bytes);
    else yield* rebuildLayer(member.directory, member.diffId);
    yield paddingAfter(sizeBytes);
  }
  yield endOfArchive();
}
