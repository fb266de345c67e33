export {
  type ContainerOptions,
  compileContainer,
  compileExec,
  type ExecOptions,
  parseMountOptions,
  printClone,
  printPlan,
  printStep,
  resolveSeccomp,
} from './compile/index.ts';
export type * from './launch.ts';
export { adoptShim } from './native/adopt.ts';
export { type LauncherOptions, NATIVE_BINARY, startLauncher } from './native/launcher.ts';
export { Barrier, INIT_SLOT, SLOTS, type Slot, type Step, type StepFailure } from './plan/steps.ts';
