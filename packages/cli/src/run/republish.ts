import type { PortMap } from '@gantry/client';
import { parsePublish } from './publish.ts';

/**
 * The ports that are published after `--publish-add` and `--publish-rm`. What is removed is named as it is published, or by
 * the container's port alone; what is there already is not added twice.
 * @throws Error with Docker's wording for what is no port, or when a port to remove is not published
 */
export function changeBindings(before: PortMap | null, add: readonly string[], remove: readonly string[]): PortMap {
  const after: PortMap = Object.fromEntries(
    Object.entries(before ?? {}).map(([port, list]) => [port, [...(list ?? [])]]),
  );
  for (const text of remove) {
    for (const [port, wanted] of Object.entries(parsePublish([text]).bindings)) {
      for (const { HostIp, HostPort } of wanted ?? []) {
        const list = after[port] ?? [];
        const rest = list.filter(
          one => !((HostIp === '' || one.HostIp === HostIp) && (HostPort === '' || one.HostPort === HostPort)),
        );
        if (rest.length === list.length)
          throw new Error(`port ${text} is not published: there is no ${port} like that`);
        if (rest.length === 0) delete after[port];
        else after[port] = rest;
      }
    }
  }
  for (const [port, wanted] of Object.entries(parsePublish(add).bindings)) {
    const list = after[port] ?? [];
    for (const one of wanted ?? []) {
      const known = list.some(other => other.HostIp === one.HostIp && other.HostPort === one.HostPort);
      if (!known) list.push(one);
    }
    after[port] = list;
  }
  return after;
}
