export type * from './launch.ts';
export { Barrier, SLOTS, type Slot, type Step, type StepFailure } from './plan/steps.ts';
