import type { NetworkDriver } from '../driver.ts';
import { linkless } from '../linkless.ts';

/** Containers in the host's own network namespace: nothing is made, ports are the program's own. */
export function hostDriver(): NetworkDriver {
  return linkless('host', []);
}
