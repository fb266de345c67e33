/** Where the cgroup of a container that names no parent is, in the hierarchies that every machine has: pids and memory, or the one of v2. */
export const cgroupsOf = (id: string): string[] =>
  ['pids/', 'memory/', ''].map(root => `/sys/fs/cgroup/${root}gantry/${id}`);
