import { libc } from './ffi.ts';

const ifNameToIndex = libc('unsigned int if_nametoindex(const char *name)');

/**
 * The index of a link of this network namespace, undefined when there is none of that name. Unlike a netlink request it
 * takes no lock that others hold while they change links: some microseconds.
 * @see if_nametoindex(3)
 */
export function linkIndex(name: string): number | undefined {
  return Number(ifNameToIndex(name)) || undefined;
}
