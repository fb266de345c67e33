import type { Step } from '@gantry/runtime';
import type { NetworkDriver } from './driver.ts';
import { newId } from './id.ts';

/** A network that gives a container no link of the host: all it does is the steps `child` inside the container. */
export function linkless(name: NetworkDriver['name'], child: readonly Step[]): NetworkDriver {
  return {
    name,
    open: async network => network,
    attach: async (network, { containerId }) => ({
      endpoint: {
        id: newId(),
        networkId: network.id,
        networkName: network.name,
        containerId,
        macAddress: '',
        ipv4: undefined,
        ipv6: undefined,
        ports: [],
      },
      prepare: [],
      parent: [],
      child,
    }),
    started: async () => {},
    detach: async () => {},
    adopt: () => {},
    reconcile: async () => {},
    check: async () => {},
    close: () => {},
  };
}
