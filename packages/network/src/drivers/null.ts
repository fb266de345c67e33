import { netlink } from '@gantry/linux';
import type { NetworkDriver } from '../driver.ts';
import type { Endpoint } from '../face.ts';
import { newId } from '../id.ts';
import { LOOPBACK_INDEX, routeStep } from '../step.ts';

/** Containers with a loopback device and nothing else. */
export function nullDriver(): NetworkDriver {
  return {
    name: 'null',
    open: async network => network,
    attach: async (network, request) => {
      const endpoint: Endpoint = {
        id: newId(),
        networkId: network.id,
        networkName: network.name,
        containerId: request.containerId,
        macAddress: '',
        ipv4: undefined,
        ipv6: undefined,
        ports: [],
      };
      return {
        endpoint,
        prepare: [],
        parent: [],
        child: [routeStep([netlink.setLink({ index: LOOPBACK_INDEX }, { up: true })])],
      };
    },
    started: async () => {},
    detach: async () => {},
    adopt: () => {},
    reconcile: async () => {},
    check: async () => {},
    close: () => {},
  };
}
