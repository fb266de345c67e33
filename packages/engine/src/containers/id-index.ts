/** Ids in order, so that a prefix is found without looking at all of them. */
export class IdIndex {
  readonly #ids: string[] = [];

  add(id: string): void {
    const at = this.#lowerBound(id);
    if (this.#ids[at] !== id) this.#ids.splice(at, 0, id);
  }

  delete(id: string): void {
    const at = this.#lowerBound(id);
    if (this.#ids[at] === id) this.#ids.splice(at, 1);
  }

  /** At most two of the ids that begin with `prefix`. */
  firstTwo(prefix: string): readonly string[] {
    const at = this.#lowerBound(prefix);
    return this.#ids.slice(at, at + 2).filter(id => id.startsWith(prefix));
  }

  #lowerBound(id: string): number {
    let low = 0;
    let high = this.#ids.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ids[middle] ?? '') < id) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
