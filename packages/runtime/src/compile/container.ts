import { basename } from 'node:path';
import { type CgroupLayout, cgroup, flags, sysctlPath } from '@gantry/linux';
import type { RuntimeSpec } from '@gantry/oci';
import type { LaunchPlan } from '../launch.ts';
import { Barrier, INIT_SLOT, type Slot, type Step } from '../plan/steps.ts';
import { deviceSteps, standardDeviceRules, standardDeviceSteps } from './devices.ts';
import { compileMount, type MountContext, normalize, sharedSources } from './mounts.ts';
import { compileNamespaces } from './namespaces.ts';
import { appArmorStep, appArmorSteps, earlyProcessSteps, finalProcessSteps, privateProcStep } from './process.ts';
import { maskSteps, nullMountSteps, readonlySteps, sortMasks } from './protect.ts';
import { slotAllocator } from './slots.ts';

const { MOUNT_ATTR_RDONLY, MS_REC, MS_SHARED, MS_SLAVE, MS_UNBINDABLE, PROC_SUPER_MAGIC } = flags;

const ENOENT = 2;

/** How long a container waits for its network. */
const NETWORK_TIMEOUT_MS = 30_000;

export type ContainerOptions = {
  /** Slot of the detached root mount. */
  readonly rootSlot: Slot;
  /** The first slot that the plan may use. */
  readonly nextSlot: Slot;
  readonly cgroup: CgroupLayout;
  /** From NetworkAttachment: of every network, in order. */
  readonly network: {
    readonly prepare: readonly Step[];
    readonly parent: readonly Step[];
    readonly child: readonly Step[];
  };
  /** Slot of the init of --init; the native side fills slot 127 with Gantry's own. */
  readonly initSlot?: Slot;
  /** The root mount as a descriptor of this process, to look at the image's own /proc, tmpfs targets and masked paths. */
  readonly rootFd?: number;
};

/**
 * Compiles a runtime configuration to the story of a container: what its shim prepares, what happens beside it, and what
 * its first process does to itself between clone and exec.
 * @throws invalidParameter for what the configuration asks wrongly
 * @see OCI runtime-spec, runtime.md, "Lifecycle"
 */
export function compileContainer(spec: RuntimeSpec, options: ContainerOptions): LaunchPlan {
  const { process, linux } = spec;
  const { rootSlot: root, rootFd, network } = options;
  const slots = slotAllocator(options.nextSlot);
  const namespaces = compileNamespaces(linux.namespaces, slots);
  const group = cgroup.planCgroup(options.cgroup, linux.cgroupsPath, {
    ...linux.resources,
    devices: [...(linux.resources?.devices ?? []), ...standardDeviceRules],
  });
  const context: MountContext = {
    root,
    rootFd,
    slots,
    cgroup: options.cgroup,
    cgroupsPath: linux.cgroupsPath,
    cgroupNamespace: namespaces.isNew('cgroup'),
    sharedSources: sharedSources(spec.mounts),
  };
  const prepare: Step[] = cgroupSteps(group);

  // The process finds its place: cgroup first, so that everything it costs is counted there.
  const child: Step[] = [
    ...group.tasks.map((path): Step => ({ op: 'writeFile', path, data: '0' })),
    { op: 'setsid' },
    ...earlyProcessSteps(process, basename(linux.cgroupsPath)),
    ...namespaces.child,
    ...namespaces.afterCgroup,
  ];

  // Nothing that is mounted from here on reaches the host.
  child.push({ op: 'mount', path: '/', flags: MS_REC | MS_SLAVE }, { op: 'moveMount', slot: root, path: '/' });

  const view = { rootFd, mounts: spec.mounts };
  const masks = sortMasks(linux.maskedPaths ?? [], view);
  const ownDev = spec.mounts.some(mount => normalize(mount.destination) === '/dev' && mount.type === 'tmpfs');
  let nulls: readonly Slot[] = [];
  const takeNulls = (dev: Slot | undefined): void => {
    const taken = nullMountSteps(masks, dev, slots);
    nulls = taken.nulls;
    child.push(...taken.steps);
  };
  if (!ownDev) takeNulls(undefined);

  let dev: Slot | undefined;
  let terminals: Slot | undefined;
  const late: Step[] = [];
  // A /proc shows the pid namespace of who mounts it: one that is joined is entered first, with these slots only.
  const inside: Step[] = [];
  const taken: Slot[] = [root];
  for (const mount of spec.mounts) {
    const target = normalize(mount.destination);
    const isDev = ownDev && target === '/dev';
    const isTerminals = target === '/dev/pts' && mount.type === 'devpts';
    const isInside = namespaces.joinsPids && (target === '/proc' || target.startsWith('/proc/'));
    const compiled = compileMount(mount, context, isDev || isTerminals || isInside);
    prepare.push(...compiled.prepare);
    if (isInside) {
      inside.push(...compiled.child, ...compiled.late);
      if (compiled.slot !== undefined) {
        inside.push({ op: 'close', slot: compiled.slot });
        taken.push(compiled.slot);
      }
      continue;
    }
    child.push(...compiled.child);
    late.push(...compiled.late);
    if (isTerminals) terminals = compiled.slot;
    if (!isDev || compiled.slot === undefined) continue;
    dev = compiled.slot;
    child.push(...standardDeviceSteps(dev));
    takeNulls(dev);
  }
  if (dev !== undefined) child.push(...deviceSteps(root, linux.devices ?? []));

  if (process.terminal) child.push(...terminalSteps(spec, root, dev, terminals, slots.take()));

  // The network is made beside all this, by the shim.
  if (network.parent.length > 0 || network.child.length > 0) {
    child.push({ op: 'barrier', id: Barrier.parentDone, timeoutMs: NETWORK_TIMEOUT_MS }, ...network.child);
  }

  const sysctls = Object.entries(linux.sysctl ?? {});
  // A label is written by who takes it, in a /proc that knows it.
  const early = namespaces.joinsPids ? undefined : process.apparmorProfile;
  if (sysctls.length > 0 || early) {
    const proc = slots.take();
    child.push(privateProcStep(proc));
    for (const [name, value] of sysctls) {
      child.push({
        op: 'writeFile',
        at: proc,
        path: `sys/${sysctlPath(name)}`,
        data: value,
        fsMagic: PROC_SUPER_MAGIC,
      });
    }
    if (early) child.push(appArmorStep(proc, early));
    child.push({ op: 'close', slot: proc });
    slots.release(proc);
  }

  const protect = [
    ...readonlySteps(linux.readonlyPaths ?? [], { root, slots, view }),
    ...maskSteps(masks, nulls, { root, slots, view }),
  ];
  child.push(...(namespaces.joinsPids ? [] : protect), ...late);
  child.push({ op: 'mkdirAll', at: root, path: process.cwd || '/', mode: 0o755 });

  // The host's tree is left behind.
  child.push({ op: 'pivotRoot', slot: root });
  const initSlot = options.initSlot ?? INIT_SLOT;
  if (namespaces.joinsPids) {
    taken.push(...nulls, ...(process.init ? [initSlot] : []));
    child.push({ op: 'beBorn', slots: taken }, ...inside, ...protect);
  }
  child.push(...rootPropagationSteps(linux.rootfsPropagation));
  if (spec.root.readonly) {
    child.push({ op: 'mountSetattr', slot: root, set: MOUNT_ATTR_RDONLY, clear: 0, propagation: 0, recursive: false });
  }
  if (spec.hostname && namespaces.isNew('uts')) child.push({ op: 'hostname', name: spec.hostname });
  if (spec.domainname && namespaces.isNew('uts')) child.push({ op: 'domainname', name: spec.domainname });
  if (namespaces.joinsPids && process.apparmorProfile) {
    child.push(...appArmorSteps(slots.take(), process.apparmorProfile));
  }
  child.push(...finalProcessSteps(process, { seccomp: linux.seccomp, initSlot }));

  const [directory] = group.directories;
  return {
    cloneFlags: namespaces.cloneFlags,
    prepare: [...prepare, ...network.prepare],
    parent: network.parent,
    child,
    ...(options.cgroup.version === 2 && directory !== undefined ? { cgroupPath: directory } : {}),
  };
}

function cgroupSteps(group: ReturnType<typeof cgroup.planCgroup>): Step[] {
  const steps: Step[] = group.directories.map(path => ({ op: 'mkdirAll', path, mode: 0o755 }));
  for (const { path, data, optional } of group.writes) {
    steps.push({ op: 'writeFile', path, data, ...(optional ? { ignore: [ENOENT] } : {}) });
  }
  const [directory] = group.directories;
  if (group.deviceProgram && directory !== undefined) {
    steps.push({ op: 'deviceProgram', path: directory, program: group.deviceProgram });
  }
  return steps;
}

/** A terminal in the container's own devpts, where the first one is number 0, shown as /dev/console. */
function terminalSteps(
  { process }: RuntimeSpec,
  root: Slot,
  dev: Slot | undefined,
  terminals: Slot | undefined,
  scratch: Slot,
): Step[] {
  const { height: rows = 0, width: columns = 0 } = process.consoleSize ?? {};
  const { uid } = process.user;
  if (terminals === undefined) return [{ op: 'console', at: root, ptmx: '/dev/ptmx', rows, columns, uid }];
  const steps: Step[] = [{ op: 'console', at: terminals, ptmx: 'ptmx', rows, columns, uid }];
  if (dev === undefined) return steps;
  steps.push(
    { op: 'touch', at: dev, path: 'console', mode: 0o666 },
    { op: 'openTree', slot: scratch, recursive: false, at: terminals, path: '0' },
    { op: 'moveMount', slot: scratch, at: dev, path: 'console' },
    { op: 'close', slot: scratch },
  );
  return steps;
}

const ROOT_PROPAGATION: Readonly<Record<string, number>> = {
  shared: MS_SHARED,
  rshared: MS_SHARED | MS_REC,
  slave: MS_SLAVE,
  rslave: MS_SLAVE | MS_REC,
  unbindable: MS_UNBINDABLE,
  runbindable: MS_UNBINDABLE | MS_REC,
};

/** The root is a new, private mount; only what differs is said. */
function rootPropagationSteps(propagation: string | undefined): Step[] {
  const value = propagation === undefined ? undefined : ROOT_PROPAGATION[propagation];
  return value === undefined ? [] : [{ op: 'mount', path: '/', flags: value }];
}
