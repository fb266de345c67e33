import { invalidParameter, messageOf } from '@gantry/errors';
import { type KernelVersion, kernelAtLeast, kernelVersion } from '@gantry/linux';
import type { SeccompAction, SeccompOperator, SeccompProfile } from '@gantry/oci';
import { DEFAULT_PROFILE } from './seccomp-default.ts';

/** When a rule counts. */
export type DockerCondition = {
  readonly caps?: readonly string[];
  /** Go's names of processors: `amd64`, `arm64`, `x86`. */
  readonly arches?: readonly string[];
  /** As `4.8`. */
  readonly minKernel?: string;
};

export type DockerRule = {
  readonly names?: readonly string[];
  /** Before Docker 1.13: one name. */
  readonly name?: string;
  readonly action: SeccompAction;
  readonly errnoRet?: number;
  readonly args?: readonly {
    readonly index: number;
    readonly value: bigint;
    readonly valueTwo?: bigint;
    readonly op: SeccompOperator;
  }[];
  readonly comment?: string;
  readonly includes?: DockerCondition;
  readonly excludes?: DockerCondition;
};

/** A seccomp profile in Docker's format: OCI's, with conditions. @see docs.docker.com/engine/security/seccomp */
export type DockerProfile = {
  readonly defaultAction: SeccompAction;
  readonly defaultErrnoRet?: number;
  readonly architectures?: readonly string[];
  readonly archMap?: readonly { readonly architecture: string; readonly subArchitectures: readonly string[] | null }[];
  readonly flags?: readonly string[];
  readonly syscalls: readonly DockerRule[];
};

/** What the conditions of a profile are held against. */
export type SeccompContext = {
  /** The container's bounding set, by full names. */
  readonly capabilities: readonly string[];
  readonly arch?: 'x64' | 'arm64';
  readonly kernel?: KernelVersion;
};

const GO_ARCH = { x64: 'amd64', arm64: 'arm64' } as const;
const SCMP_ARCH = { x64: 'SCMP_ARCH_X86_64', arm64: 'SCMP_ARCH_AARCH64' } as const;

const KEPT = 32;
const resolved = new Map<string, SeccompProfile | undefined>();

/**
 * Resolves a profile for a container: `builtin` or the JSON text of one. Undefined when the profile asks for no filter.
 * Equal questions get the same object, whose filter is assembled once.
 * @throws invalidParameter with dockerd's wording
 */
export function resolveSeccomp(profile: string, context: SeccompContext): SeccompProfile | undefined {
  const { capabilities, arch, kernel } = context;
  const key = JSON.stringify([profile, capabilities.toSorted(), arch, kernel]);
  if (resolved.has(key)) return resolved.get(key);
  const parsed = profile === 'builtin' ? DEFAULT_PROFILE : parseDockerProfile(profile);
  const result = resolveProfile(parsed, context);
  if (resolved.size >= KEPT) {
    for (const oldest of resolved.keys()) {
      resolved.delete(oldest);
      break;
    }
  }
  resolved.set(key, result);
  return result;
}

/** Reads a profile from JSON; numbers of 64 bits keep all their digits. */
export function parseDockerProfile(text: string): DockerProfile {
  let value: unknown;
  try {
    value = JSON.parse(text, (key, parsed: unknown, ...rest: unknown[]) => {
      if ((key !== 'value' && key !== 'valueTwo') || typeof parsed !== 'number') return parsed;
      const [context] = rest as [{ source?: string } | undefined];
      return /^\d+$/.test(context?.source ?? '') ? BigInt(context?.source ?? 0) : parsed;
    });
  } catch (error) {
    throw invalidParameter(`Decoding seccomp profile failed: ${messageOf(error)}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidParameter('Decoding seccomp profile failed: json: cannot unmarshal into a seccomp profile');
  }
  return value as DockerProfile;
}

/** Keeps the rules whose conditions hold. */
export function resolveProfile(profile: DockerProfile, context: SeccompContext): SeccompProfile | undefined {
  const { arch = process.arch === 'arm64' ? 'arm64' : 'x64', kernel = kernelVersion } = context;
  const capabilities = new Set(context.capabilities);
  const rules = profile.syscalls ?? [];
  if (!profile.defaultAction && rules.length === 0) return undefined;
  if (profile.architectures?.length && profile.archMap?.length) {
    throw invalidParameter(
      "both 'architectures' and 'archMap' are specified in the seccomp profile, use either 'architectures' or 'archMap'",
    );
  }
  checkAction(profile.defaultAction);
  const mapped = profile.archMap?.find(({ architecture }) => architecture === SCMP_ARCH[arch]);
  const syscalls: SeccompProfile['syscalls'] = [];
  for (const rule of rules) {
    if (rule.name && rule.names?.length) {
      throw invalidParameter(
        "both 'name' and 'names' are specified in the seccomp profile, use either 'name' or 'names'",
      );
    }
    if (rule.excludes && anyHolds(rule.excludes, capabilities, GO_ARCH[arch], kernel)) continue;
    if (rule.includes && !allHold(rule.includes, capabilities, GO_ARCH[arch], kernel)) continue;
    checkAction(rule.action);
    const args = rule.args?.map(({ index, value, valueTwo, op }) => {
      if (!OPERATORS.has(op)) throw invalidParameter(`string ${op} is not a valid operator for seccomp`);
      if (!Number.isInteger(index) || index < 0 || index > 5) {
        throw invalidParameter(`seccomp: argument index ${index} is not between 0 and 5`);
      }
      return { index, value: BigInt(value ?? 0), valueTwo: BigInt(valueTwo ?? 0), op };
    });
    syscalls.push({
      names: rule.name ? [rule.name] : [...(rule.names ?? [])],
      action: rule.action,
      ...(rule.errnoRet === undefined ? {} : { errnoRet: rule.errnoRet }),
      ...(args && args.length > 0 ? { args } : {}),
    });
  }
  return {
    defaultAction: profile.defaultAction,
    ...(profile.defaultErrnoRet === undefined ? {} : { defaultErrnoRet: profile.defaultErrnoRet }),
    architectures: [
      ...(profile.architectures ?? []),
      ...(mapped ? [mapped.architecture, ...(mapped.subArchitectures ?? [])] : []),
    ],
    ...(profile.flags ? { flags: [...profile.flags] } : {}),
    syscalls,
  };
}

/** An exclusion counts as soon as one of its conditions holds. */
function anyHolds(
  { caps = [], arches = [], minKernel }: DockerCondition,
  capabilities: ReadonlySet<string>,
  arch: string,
  kernel: KernelVersion,
): boolean {
  return (
    arches.includes(arch) || caps.some(name => capabilities.has(name)) || (!!minKernel && isKernel(minKernel, kernel))
  );
}

function allHold(
  { caps = [], arches = [], minKernel }: DockerCondition,
  capabilities: ReadonlySet<string>,
  arch: string,
  kernel: KernelVersion,
): boolean {
  return (
    (arches.length === 0 || arches.includes(arch)) &&
    caps.every(name => capabilities.has(name)) &&
    (!minKernel || isKernel(minKernel, kernel))
  );
}

function isKernel(wanted: string, kernel: KernelVersion): boolean {
  const match = /^(\d{1,3})\.(\d{1,3})$/.exec(wanted);
  if (!match) throw invalidParameter(`invalid kernel version: "${wanted}", expected "<kernel>.<major>"`);
  const [major, minor] = [Number(match[1]), Number(match[2])];
  if (major === 0 && minor === 0) {
    throw invalidParameter(`invalid kernel version: "${wanted}", expected "<kernel>.<major>": version cannot be 0.0`);
  }
  return kernelAtLeast(major, minor, kernel);
}

const ACTIONS: ReadonlySet<string> = new Set<SeccompAction>([
  'SCMP_ACT_KILL',
  'SCMP_ACT_KILL_PROCESS',
  'SCMP_ACT_KILL_THREAD',
  'SCMP_ACT_TRAP',
  'SCMP_ACT_ERRNO',
  'SCMP_ACT_TRACE',
  'SCMP_ACT_ALLOW',
  'SCMP_ACT_LOG',
  'SCMP_ACT_NOTIFY',
]);

const OPERATORS: ReadonlySet<string> = new Set<SeccompOperator>([
  'SCMP_CMP_NE',
  'SCMP_CMP_LT',
  'SCMP_CMP_LE',
  'SCMP_CMP_EQ',
  'SCMP_CMP_GE',
  'SCMP_CMP_GT',
  'SCMP_CMP_MASKED_EQ',
]);

function checkAction(action: string): void {
  if (!ACTIONS.has(action)) throw invalidParameter(`string ${action} is not a valid action for seccomp`);
  if (action === 'SCMP_ACT_NOTIFY') {
    throw invalidParameter('seccomp: SCMP_ACT_NOTIFY needs a listener, which Gantry has not got');
  }
}
