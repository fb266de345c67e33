import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { configDirectory } from '../credentials.ts';
import { ExitError } from '../errors.ts';
import type { Values } from '../flags/parse.ts';
import { formatLocalManifest, type LocalManifest, parseLocalManifest } from './local-manifest.ts';

/**
 * The manifest lists that are being put together, where Docker's client keeps them too: a folder a list, a file a manifest. References
 * are whole, `docker.io/library/busybox:latest`.
 * @see docker/cli, cli/manifest/store
 */
export class ManifestStore {
  readonly #root: string;

  constructor(globals: Values) {
    this.#root = join(configDirectory(globals), 'manifests');
  }

  /** One manifest of a list; undefined when the list lacks it. */
  find(list: string, ref: string): LocalManifest | undefined {
    const path = join(this.#folder(list), fileName(ref));
    const text = unlessAbsent(() => readFileSync(path, 'utf8'));
    return text === undefined ? undefined : parseLocalManifest(text, path);
  }

  /** The manifests of a list, by the names of their files; undefined when there is no such list. */
  list(list: string): readonly LocalManifest[] | undefined {
    const folder = this.#folder(list);
    const names = unlessAbsent(() => readdirSync(folder));
    return names
      ?.filter(name => !name.startsWith(TEMPORARY))
      .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      .map(name => parseLocalManifest(readFileSync(join(folder, name), 'utf8'), join(folder, name)));
  }

  /** @throws ExitError `No such manifest: REFERENCE` */
  demand(list: string): readonly LocalManifest[] {
    const manifests = this.list(list);
    if (!manifests) throw absent(list);
    return manifests;
  }

  /** Adds a manifest to a list, or replaces it there. */
  save(list: string, ref: string, manifest: LocalManifest): void {
    const folder = this.#folder(list);
    mkdirSync(folder, { recursive: true, mode: 0o755 });
    const temporary = join(folder, `${TEMPORARY}${process.pid}`);
    writeFileSync(temporary, formatLocalManifest(manifest), { mode: 0o644 });
    renameSync(temporary, join(folder, fileName(ref)));
  }

  remove(list: string): void {
    rmSync(this.#folder(list), { recursive: true, force: true });
  }

  #folder(list: string): string {
    return join(this.#root, fileName(list));
  }
}

/** No reference begins with a dot. */
const TEMPORARY = '.new-';

const fileName = (ref: string): string => ref.replaceAll(':', '-').replaceAll('/', '_');

/** What is said of a manifest or a list that is not here. */
export const absent = (ref: string): ExitError => new ExitError(1, `No such manifest: ${ref}`);

function unlessAbsent<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
