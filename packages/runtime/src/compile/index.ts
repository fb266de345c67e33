export { type ContainerOptions, compileContainer } from './container.ts';
export { compileExec, type ExecOptions } from './exec.ts';
export { parseMountOptions } from './mount-options.ts';
export { printClone, printPlan, printStep } from './print.ts';
export {
  type DockerProfile,
  parseDockerProfile,
  resolveProfile,
  resolveSeccomp,
  type SeccompContext,
} from './seccomp-profile.ts';
