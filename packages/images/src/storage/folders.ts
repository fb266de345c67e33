import { mkdir, readdir, rename } from 'node:fs/promises';
import { file } from '@gantry/linux';

/** The folders that every driver has below its root. */
export class Folders {
  readonly root: string;
  #counter = 0;
  // Names of an earlier process may still be there while they are removed.
  readonly #run = `${process.pid.toString(36)}-${Date.now().toString(36)}`;

  private constructor(root: string) {
    this.root = root;
  }

  /** l: layers, c: writable layers of containers, incoming: unfinished, trash: to be removed. Short, for mount options. */
  static async make(root: string): Promise<Folders> {
    await mkdir(root, { recursive: true, mode: 0o711 });
    for (const name of ['l', 'c', 'incoming', 'trash'])
      await mkdir(`${root}/${name}`, { recursive: true, mode: 0o711 });
    // Layers are filled here, several at a time, often just after others were removed.
    file.spreadSubdirectories(`${root}/incoming`);
    return new Folders(root);
  }

  layer(layer: string): string {
    return `${this.root}/l/${layer}`;
  }

  container(id: string): string {
    return `${this.root}/c/${id}`;
  }

  async layers(): Promise<string[]> {
    return await readdir(`${this.root}/l`);
  }

  async incoming(): Promise<string> {
    const path = `${this.root}/incoming/${this.#next()}`;
    await mkdir(path, { mode: 0o700 });
    return path;
  }

  async accept(incoming: string, layer: string): Promise<void> {
    await rename(incoming, this.layer(layer));
  }

  async acceptContainer(incoming: string, id: string): Promise<void> {
    await rename(incoming, this.container(id));
  }

  /** Moves a folder to the trash. One that someone removed already leaves an empty one there, so that its row can go. */
  async discard(path: string): Promise<string> {
    const trash = `${this.root}/trash/${this.#next()}`;
    try {
      await rename(path, trash);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      await mkdir(trash, { mode: 0o700 });
    }
    return trash;
  }

  async leftovers(): Promise<string[]> {
    const of = async (name: string): Promise<string[]> =>
      (await readdir(`${this.root}/${name}`)).map(entry => `${this.root}/${name}/${entry}`);
    return [...(await of('trash')), ...(await of('incoming'))];
  }

  #next(): string {
    this.#counter += 1;
    return `${this.#run}-${this.#counter.toString(36)}`;
  }
}
