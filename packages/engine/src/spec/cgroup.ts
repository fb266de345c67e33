import type { compileContainer } from '@gantry/runtime';

/** Where the hierarchies are mounted; made by the runtime room. */
export type CgroupLayout = Parameters<typeof compileContainer>[1]['cgroup'];
