import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { invalidParameter } from '@gantry/errors';
import { file } from '@gantry/linux';
import { digestOf } from '@gantry/oci';
import { BLOCK, type TarEntry } from '../tar/entry.ts';
import { hasValidChecksum, isZeroBlock } from '../tar/header.ts';
import { type TarHandler, TarParser } from '../tar/parser.ts';
import { cleanEntryName, parentOf } from '../unpack/entry-path.ts';
import { LayerIntake } from '../unpack/layer-intake.ts';
import { compressionOf, decompress } from './decompress.ts';
import type { TaskInput } from './input.ts';
import type { ArchiveContents, ArchiveMember, Task } from './tasks.ts';

const MAX_MEMBERS = 100_000;
const MAX_DOCUMENT_BYTES = 8 * 1024 * 1024;
const MAX_DOCUMENTS_BYTES = 64 * 1024 * 1024;

type ArchiveTask = Extract<Task, { kind: 'archive' }>;

/** Where the bytes of the member that is being read go. */
type Sink = { push(bytes: Buffer): void; finish(): ArchiveMember; [Symbol.dispose](): void };

/**
 * Takes an image archive apart in one pass: uncompressed layers are unpacked at once, without a copy on disk between;
 * small members stay in memory, all others are spooled.
 */
export async function archiveTask(task: ArchiveTask, input: TaskInput): Promise<ArchiveContents> {
  using reader = new ArchiveReader(task);
  const parser = new TarParser(reader);
  await decompress(input.read(), bytes => parser.push(bytes));
  parser.finish();
  return { members: reader.members, links: reader.links };
}

class ArchiveReader implements TarHandler, Disposable {
  readonly members = new Map<string, ArchiveMember>();
  readonly links = new Map<string, string>();
  readonly #task: ArchiveTask;
  readonly #known: ReadonlySet<string>;
  #name = '';
  #size = 0;
  #isFile = false;
  #start: Buffer = Buffer.alloc(0);
  #sink: Sink | undefined;
  #count = 0;
  #documentBytes = 0;

  constructor(task: ArchiveTask) {
    this.#task = task;
    this.#known = new Set(task.knownLayers);
  }

  entry(entry: TarEntry): void {
    this.#count += 1;
    if (this.#count > MAX_MEMBERS) throw invalidParameter(`the archive has more than ${MAX_MEMBERS} members`);
    const name = cleanEntryName(entry.name);
    if (entry.type === 'symlink' || entry.type === 'hardLink') {
      const from = entry.type === 'symlink' && !entry.linkName.startsWith('/') ? parentOf(name) : '';
      this.links.set(name, cleanEntryName(`${from}/${entry.linkName}`));
    }
    if (entry.type !== 'file') return;
    const blob = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(name)?.[1];
    if (blob !== undefined && this.#known.has(`sha256:${blob}`)) {
      this.members.set(name, { kind: 'known', digest: `sha256:${blob}` });
      return;
    }
    this.#name = name;
    this.#size = entry.sizeBytes;
    this.#start = Buffer.alloc(0);
    this.#isFile = true;
  }

  data(bytes: Buffer): void {
    if (!this.#isFile) return;
    if (this.#sink) {
      this.#sink.push(bytes);
      return;
    }
    // The first block tells what this is.
    this.#start = Buffer.concat([this.#start, bytes]);
    if (this.#start.length < Math.min(BLOCK, this.#size)) return;
    this.#sink = this.#choose(this.#start);
    this.#sink.push(this.#start);
  }

  end(): void {
    if (!this.#isFile) return;
    this.#isFile = false;
    const sink = this.#sink ?? this.#document();
    this.#sink = undefined;
    this.members.set(this.#name, sink.finish());
  }

  #choose(start: Buffer): Sink {
    const isArchive = start.length >= BLOCK && (isZeroBlock(start) || hasValidChecksum(start));
    // A whole tree needs the layer below first, which is not known yet.
    if (isArchive && this.#task.form === 'difference') return this.#layer();
    const small = this.#size <= MAX_DOCUMENT_BYTES && this.#documentBytes + this.#size <= MAX_DOCUMENTS_BYTES;
    // Compressed layers are read again as a stream, however small.
    const isDocument = !isArchive && compressionOf(start) === 'none';
    return isDocument && small ? this.#document() : this.#spool();
  }

  #layer(): Sink {
    const directory = `${this.#task.directory}/${this.#count}`;
    mkdirSync(directory, { mode: 0o700 });
    const intake = new LayerIntake(directory, this.#task.form, this.#task.limits);
    return {
      push: bytes => intake.push(bytes),
      finish: () => {
        using _ = intake;
        const taken = intake.finish();
        return { kind: 'layer', digest: taken.diffId, directory, taken };
      },
      [Symbol.dispose]: () => intake[Symbol.dispose](),
    };
  }

  #document(): Sink {
    const parts: Buffer[] = [];
    this.#documentBytes += this.#size;
    return {
      push: bytes => void parts.push(Buffer.from(bytes)),
      finish: () => {
        const bytes = Buffer.concat(parts);
        return { kind: 'document', digest: digestOf(bytes), bytes };
      },
      [Symbol.dispose]: () => {},
    };
  }

  #spool(): Sink {
    const path = `${this.#task.directory}/${this.#count}.blob`;
    const fd = file.openAt(file.AT_FDCWD, file.byteString(path), file.O_WRONLY | file.O_CREAT | file.O_EXCL, 0o600);
    const sizeBytes = this.#size;
    const close = (): void => file.closeDescriptor(fd);
    const hash = createHash('sha256');
    return {
      push(bytes) {
        hash.update(bytes);
        file.writeAll(fd, bytes);
      },
      finish() {
        close();
        return { kind: 'blob', digest: `sha256:${hash.digest('hex')}`, path, sizeBytes };
      },
      [Symbol.dispose]: close,
    };
  }

  [Symbol.dispose](): void {
    this.#sink?.[Symbol.dispose]();
  }
}
