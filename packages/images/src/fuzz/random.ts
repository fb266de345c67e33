/** A generator of numbers that gives the same ones for the same seed (mulberry32), so that a failure can be run again. */
export type Random = {
  /** A whole number from 0 to below `end`. */
  below(end: number): number;
  pick<T>(list: readonly T[]): T;
};

export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (end: number): number => Math.floor(next() * end);
  return { below, pick: list => list[below(list.length)] as (typeof list)[number] };
}

/** `bytes` with a few changes: bits turned, pieces cut out, doubled, or overwritten by what parsers trip over. */
export function mutate(bytes: Buffer, random: Random, dictionary: readonly string[]): Buffer {
  let changed = Buffer.from(bytes);
  for (let n = 1 + random.below(4); n > 0; n--) {
    const at = random.below(changed.length + 1);
    const length = random.below(Math.min(600, changed.length - at + 1));
    switch (random.below(5)) {
      case 0:
        if (at < changed.length) changed[at] = (changed[at] ?? 0) ^ (1 << random.below(8));
        break;
      case 1:
        changed = Buffer.concat([changed.subarray(0, at), changed.subarray(at + length)]);
        break;
      case 2:
        changed = Buffer.concat([changed.subarray(0, at + length), changed.subarray(at)]);
        break;
      case 3:
        changed.fill(random.pick([0, 0xff, 0x30, 0x80]), at, at + Math.min(length, 12));
        break;
      case 4:
        changed.write(random.pick(dictionary), Math.min(at, changed.length), 'latin1');
        break;
    }
  }
  return changed;
}
