export {
  createCgroup,
  freeze,
  isFrozen,
  killAll,
  readOomKills,
  readPids,
  removeCgroup,
  thaw,
  updateCgroup,
} from './control.ts';
export { type Count, UNLIMITED } from './control-file.ts';
export { type CgroupPlan, limits, planCgroup } from './create.ts';
export {
  type CgroupHierarchy,
  type CgroupLayout,
  cgroupDirectories,
  controllerDirectory,
  detectCgroupLayout,
  joinableDirectory,
} from './layout.ts';
export type { CgroupResources, CgroupWrite, DeviceRule, ThrottleRule } from './resources.ts';
export { type BlockIOEntry, type CgroupUsage, type CpuUsage, readUsage } from './usage.ts';
