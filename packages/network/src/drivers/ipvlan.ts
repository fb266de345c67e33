import { netlink } from '@gantry/linux';
import type { NetworkDriver } from '../driver.ts';
import { ipvlanFlag, ipvlanMode } from '../parent-link.ts';
import { type SubInterfaceContext, subInterfaceDriver } from './sub-interface.ts';

/** Containers with addresses of their own behind the MAC address of a link of the host, on its network (l2) or routed by it (l3, l3s). */
export function ipvlanDriver(context: SubInterfaceContext): NetworkDriver {
  return subInterfaceDriver(
    {
      name: 'ipvlan',
      create: (network, name, _mac, link) => netlink.createIpvlan(name, ipvlanMode(network), ipvlanFlag(network), link),
      ownMac: () => false,
      routesIntoLink: network => ipvlanMode(network) !== 'l2',
    },
    context,
  );
}
