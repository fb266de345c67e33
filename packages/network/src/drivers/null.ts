import { netlink } from '@gantry/linux';
import type { NetworkDriver } from '../driver.ts';
import { linkless } from '../linkless.ts';
import { LOOPBACK_INDEX, routeStep } from '../step.ts';

/** Containers with a loopback device and nothing else. */
export function nullDriver(): NetworkDriver {
  return linkless('null', [routeStep([netlink.setLink({ index: LOOPBACK_INDEX }, { up: true })])]);
}
