import { close } from 'node:fs';

/** Closes a descriptor without waiting: the last close of a mount may sleep. */
export function closeDescriptor(fd: number): void {
  close(fd, () => {});
}
