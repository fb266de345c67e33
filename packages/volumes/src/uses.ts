import { constants } from 'node:os';
import { messageOf, systemError } from '@gantry/errors';
import { describeErrno, flags, readMountInfo } from '@gantry/linux';
import type { Launcher, StepFailure } from '@gantry/runtime';
import { type LocalMount, mountFailure, mountSteps } from './local-mount.ts';
import { withAddress } from './network-address.ts';

const { EINVAL, ENOENT } = constants.errno;

/** Runs steps on the host, beside the event loop. */
export type HostRun = Launcher['run'];

/** Who uses which volume, and what is mounted for them: at the first use, until the last one ends. */
export class VolumeUses {
  readonly #run: HostRun;
  readonly #users = new Map<string, Set<string>>();
  readonly #mounted = new Set<string>();

  constructor(run: HostRun) {
    this.#run = run;
  }

  of(name: string): ReadonlySet<string> {
    return this.#users.get(name) ?? new Set();
  }

  isMounted(name: string): boolean {
    return this.#mounted.has(name);
  }

  /** @throws systemError in dockerd's words; nothing is noted then */
  async begin(name: string, user: string, mountpoint: string, mount: LocalMount | undefined): Promise<void> {
    if (mount && !this.#mounted.has(name)) {
      await this.#mount(mount, mountpoint);
      this.#mounted.add(name);
    }
    const users = this.#users.get(name);
    if (users) users.add(user);
    else this.#users.set(name, new Set([user]));
  }

  async end(name: string, user: string, mountpoint: string): Promise<void> {
    const users = this.#users.get(name);
    users?.delete(user);
    if (users && users.size > 0) return;
    this.#users.delete(name);
    if (this.#mounted.delete(name)) await this.unmount(mountpoint);
  }

  /** After a restart. @param mountpoints of the volumes that have something to mount */
  async adopt(
    users: ReadonlyMap<string, ReadonlySet<string>>,
    mountpoints: ReadonlyMap<string, string>,
    root: string,
  ): Promise<void> {
    for (const [name, ids] of users) this.#users.set(name, new Set(ids));
    const byPlace = new Map([...mountpoints].map(([name, place]) => [place, name]));
    for (const { mountPoint } of readMountInfo()) {
      const name = byPlace.get(mountPoint);
      const isOurs = mountPoint.startsWith(`${root}/`) && mountPoint.endsWith('/_data');
      if (name !== undefined && this.of(name).size > 0 && !this.#mounted.has(name)) this.#mounted.add(name);
      // Nobody's, or a second one over the first.
      else if (name !== undefined || isOurs) await this.unmount(mountPoint);
    }
  }

  /** A lazy umount: files that are open still, or a server that is gone, hold up nobody. */
  async unmount(mountpoint: string): Promise<void> {
    await this.#run([{ op: 'umount', path: mountpoint, flags: flags.MNT_DETACH, ignore: [EINVAL, ENOENT] }]);
  }

  async #mount(wanted: LocalMount, mountpoint: string): Promise<void> {
    const failed = (reason: string, cause: unknown): Error =>
      systemError(`error while mounting volume '${mountpoint}': ${reason}`, {
        cause,
        hint: 'see `volume inspect` for what it was created with',
      });
    let mount: LocalMount;
    try {
      mount = await withAddress(wanted);
    } catch (error) {
      throw failed(messageOf(error), error);
    }
    try {
      await this.#run(mountSteps(mount, mountpoint));
    } catch (error) {
      const failure = error instanceof Error ? (error.cause as StepFailure | undefined) : undefined;
      // A bind whose read-only half failed is mounted already.
      if (failure && failure.index > 0) await this.unmount(mountpoint).catch(() => {});
      const reason = failure ? describeErrno(failure.errno) : messageOf(error);
      throw failed(`failed to mount local volume: ${mountFailure(mount, mountpoint, reason)}`, error);
    }
  }
}
