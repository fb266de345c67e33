import { constants } from 'node:os';
import { type GantryError, invalidParameter, systemError } from '@gantry/errors';
import { describeErrno } from '@gantry/linux';
import type { LaunchFailure, LaunchPlan } from '../launch.ts';
import type { Step } from '../plan/steps.ts';

const { EACCES, EISDIR, ENOENT, ENOTDIR, ECHILD, ETIMEDOUT } = constants.errno;

const DETAILS = [undefined, 'notInPath', 'stat', 'notExecutable', 'relative'] as const;

/** Reads `struct failure` of native/steps.h. */
export function decodeFailure(body: Buffer, plan: Partial<LaunchPlan>): LaunchFailure {
  const where = body.readUInt32LE(0);
  const index = body.readUInt32LE(4);
  const at = where === 1 ? 'prepare' : where === 2 ? 'parent' : where === 3 ? 'child' : 'clone';
  return {
    where: at,
    step: at === 'clone' ? undefined : plan[at]?.[index],
    errno: body.readUInt32LE(8),
    detail: DETAILS[body.readUInt32LE(12)],
  };
}

/** What a step was doing, for an error text: its op and what it named. */
export function describeStep(step: Step): string {
  if (step.op === 'mount') return `mounting ${JSON.stringify(step.source ?? step.type ?? '')} at ${quoted(step.path)}`;
  if (step.op === 'hostSocket') return `listening on ${step.protocol} ${step.address}:${step.port}`;
  if (step.op === 'fsMount') return `mounting a ${step.type}`;
  if ('path' in step) return `${step.op} ${quoted(step.path)}`;
  return step.op;
}

const quoted = (text: string): string => JSON.stringify(text);

function explain(failure: LaunchFailure): string {
  const { step, errno, detail } = failure;
  const text = describeErrno(errno);
  if (step === undefined) {
    if (errno === ETIMEDOUT) return 'the first process did not start in time';
    if (errno === ECHILD) return 'the first process ended before its program was executed';
    return text;
  }
  if (step.op === 'exec') {
    const name = step.argv[0] ?? '';
    if (detail === 'notInPath') return `exec: ${quoted(name)}: executable file not found in $PATH`;
    if (detail === 'relative')
      return `exec: ${quoted(name)}: cannot run executable found relative to current directory`;
    if (detail === 'stat') return `exec: ${quoted(name)}: stat ${name}: ${text}`;
    if (detail === 'notExecutable') return `exec: ${quoted(name)}: ${text}`;
    return `exec ${name}: ${text}`;
  }
  if (step.op === 'writeFile' && step.path.startsWith('sys/')) {
    const file = `fsmount:fscontext:proc/./${step.path}`;
    const name = step.path.slice('sys/'.length).replaceAll('/', '.');
    return errno === ENOENT
      ? `open sysctl ${name} file: unsafe procfs detected: openat2 ${file}: ${text}`
      : `failed to write sysctl ${name} = ${quoted(step.data)}: write ${file}: ${text}`;
  }
  if ('path' in step && step.path.endsWith('/attr/apparmor/exec')) {
    return `unable to apply apparmor profile: apparmor failed to apply profile: write ${step.path}: ${text}`;
  }
  if (step.op === 'chdir') return `chdir to cwd (${quoted(step.path)}) set in config.json failed: ${text}`;
  if (step.op === 'mount' || step.op === 'moveMount') return `error ${describeStep(step)}: ${text}`;
  return `${describeStep(step)}: ${text}`;
}

const PREFIX = {
  launch:
    'failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: ',
  exec: 'OCI runtime exec failed: exec failed: unable to start container process: ',
} as const;

/**
 * A failed start in the words of dockerd 28 and runc, which clients match on; the exit status follows dockerd's own
 * reading of the text (126 for EACCES and EISDIR, 127 for what is not there).
 */
export function launchError(verb: 'launch' | 'exec', failure: LaunchFailure): GantryError {
  const inside = verb === 'launch' && failure.where === 'child' && failure.step !== undefined;
  let message = `${PREFIX[verb]}${inside ? 'error during container init: ' : ''}${explain(failure)}`;
  const { errno } = failure;
  if (errno === EACCES) return invalidParameter(message, { exitCode: 126, cause: failure });
  if (errno === EISDIR) {
    return invalidParameter(`${message}: ${describeErrno(EACCES)}`, { exitCode: 126, cause: failure });
  }
  if (errno === ENOTDIR) {
    message +=
      ': Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists and is the expected type';
    return invalidParameter(message, { exitCode: 127, cause: failure });
  }
  if (errno === ENOENT && failure.detail !== 'relative') {
    return invalidParameter(message, { exitCode: 127, cause: failure });
  }
  return systemError(message, { exitCode: verb === 'exec' ? 128 : 125, cause: failure });
}

/** A host plan that failed; `cause` is the StepFailure. */
export function hostPlanError(steps: readonly Step[], body: Buffer): GantryError {
  const index = body.readUInt32LE(4);
  const errno = body.readUInt32LE(8);
  const step = steps[index];
  if (step === undefined) return systemError(`a host plan could not be run: ${describeErrno(errno)}`);
  return systemError(`${describeStep(step)}: ${describeErrno(errno)}`, { cause: { index, step, errno } });
}
