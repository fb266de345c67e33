import { ADJECTIVES, SURNAMES } from './name-lists.ts';

const pick = (list: readonly string[]): string => list[Math.floor(Math.random() * list.length)] ?? '';

/** A name for a container that was given none: an adjective and a surname, with a digit when `attempt` is not the first. */
export function generateName(attempt: number): string {
  return `${pick(ADJECTIVES)}_${pick(SURNAMES)}${attempt === 0 ? '' : Math.floor(Math.random() * 10)}`;
}
