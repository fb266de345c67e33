import { SLOTS, type Slot } from '../plan/steps.ts';

/** Gives out the descriptor slots of one plan. */
export type SlotAllocator = {
  take(): Slot;
  /** A slot that no other step of this plan uses: for what is put there before the child runs. */
  takeFresh(): Slot;
  /** Gives a slot back: what is put there next replaces its descriptor. */
  release(slot: Slot): void;
};

/** @param first the first slot that is free; the last one of the table holds the native binary */
export function slotAllocator(first: Slot): SlotAllocator {
  const free: Slot[] = [];
  let next = first;
  const checked = (slot: Slot): Slot => {
    if (slot >= SLOTS - 1) throw new RangeError(`a launch plan has ${SLOTS - 1} descriptor slots`);
    return slot;
  };
  return {
    take: () => checked(free.pop() ?? next++),
    takeFresh: () => checked(next++),
    release(slot) {
      free.push(slot);
    },
  };
}
