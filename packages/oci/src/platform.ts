import { invalidParameter } from '@gantry/errors';

export type Platform = {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly 'os.version'?: string;
};

const ARCHITECTURES: Readonly<Record<string, readonly [architecture: string, variant?: string]>> = {
  i386: ['386'],
  i686: ['386'],
  x86_64: ['amd64'],
  'x86-64': ['amd64'],
  x64: ['amd64'],
  aarch64: ['arm64'],
  armhf: ['arm', 'v7'],
  armel: ['arm', 'v6'],
};

const SYSTEMS = new Set(
  'aix android darwin dragonfly freebsd hurd illumos ios js linux macos nacl netbsd openbsd plan9 solaris windows zos'.split(
    ' ',
  ),
);
const KNOWN_ARCHITECTURES = new Set(
  '386 amd64 arm arm64 loong64 mips mips64 mips64le mipsle ppc ppc64 ppc64le riscv riscv64 s390 s390x sparc sparc64 wasm'.split(
    ' ',
  ),
);

/** Brings the many names of an architecture to those of Go, as containerd's platforms package does. */
export function normalisePlatform(platform: Platform): Platform {
  const os = platform.os.toLowerCase() === 'macos' ? 'darwin' : platform.os.toLowerCase();
  const given = platform.architecture.toLowerCase();
  const [architecture, implied] = (Object.hasOwn(ARCHITECTURES, given) ? ARCHITECTURES[given] : undefined) ?? [given];
  let variant = (platform.variant ?? implied ?? '').toLowerCase();
  if (architecture === 'arm64' && (variant === 'v8' || variant === '8')) variant = '';
  else if (architecture === 'amd64' && variant === 'v1') variant = '';
  else if (architecture === 'arm') variant = variant === '' ? 'v7' : variant.replace(/^(\d)$/, 'v$1');
  return { os, architecture, ...(variant === '' ? {} : { variant }) };
}

/** One part of a platform, and the first one, which may carry a version and features: `windows(10.0.17763+win32k)`. */
const COMPONENT = /^[A-Za-z0-9_.-]+$/;
const SYSTEM = /^([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.%-]*)((?:\+[A-Za-z0-9_.%-]+)*)\))?$/;

/**
 * Reads `linux/arm64/v8`, `linux/amd64`, `arm64` or `linux`. What was left out stays so, and a variant that was named is kept:
 * messages show it.
 * @throws invalidParameter for anything else, in the words of containerd's platforms package
 */
export function parsePlatform(text: string, host: Platform = hostPlatform()): Platform {
  const invalid = (problem: string): Error => invalidParameter(`${problem}: invalid argument`);
  if (text.includes('*')) throw invalid(`${quoted(text)}: wildcards not yet supported`);
  const parts = text.split('/');
  if (parts.length > 3) throw invalid(`${quoted(text)}: cannot parse platform specifier`);
  const [head = '', second, variant] = parts;
  const [, system = '', version] = SYSTEM.exec(head) ?? [];
  const isHead = system === '';
  const wrong = isHead ? head : parts.slice(1).find(part => !COMPONENT.test(part));
  if (wrong !== undefined) {
    const what = isHead ? 'an invalid OS component' : 'an invalid component';
    const rule = isHead ? 'OSAndVersion specifier component' : 'platform specifier component';
    const pattern = quoted((isHead ? SYSTEM : COMPONENT).source);
    throw invalid(`${quoted(wrong)} is ${what} of ${quoted(text)}: ${rule} must match ${pattern}`);
  }
  const release = version ? { 'os.version': version } : {};
  if (second === undefined) {
    if (SYSTEMS.has(system.toLowerCase())) return { ...normalisePlatform({ ...host, os: system }), ...release };
    const platform = normalisePlatform({ os: host.os, architecture: system });
    if (KNOWN_ARCHITECTURES.has(platform.architecture)) return asWritten(platform, undefined);
    throw invalid(`${quoted(text)}: unknown operating system or architecture`);
  }
  const given = { os: system, architecture: second, ...(variant === undefined ? {} : { variant }) };
  return { ...asWritten(normalisePlatform(given), variant), ...release };
}

/** Text in quotes as Go writes it. */
const quoted = (text: string): string => JSON.stringify(text);

/** Without the variant that stands for none given (arm's v7), with the one that is dropped otherwise (arm64's v8). */
function asWritten(platform: Platform, given: string | undefined): Platform {
  const { os, architecture, variant } = platform;
  if (given === undefined && architecture === 'arm' && variant === 'v7') return { os, architecture };
  if (given !== undefined && architecture === 'arm64' && variant === undefined)
    return { os, architecture, variant: 'v8' };
  return platform;
}

/** `linux/arm/v7`. */
export function formatPlatform({ os, architecture, variant }: Platform): string {
  return [os, architecture, variant].filter(part => part !== undefined && part !== '').join('/');
}

/** The platform of this process, by Go's names. */
export function hostPlatform(): Platform {
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch === 'ia32' ? '386' : process.arch;
  return normalisePlatform({ os: process.platform, architecture });
}

/**
 * How well an image of platform `candidate` runs where `wanted` is asked for: 0 not at all, a higher number is better.
 * An arm machine also runs what was built for its older variants.
 */
export function platformScore(wanted: Platform, candidate: Platform): number {
  const want = normalisePlatform(wanted);
  const have = normalisePlatform(candidate);
  if (want.os !== have.os || want.architecture !== have.architecture) return 0;
  const level = (variant: string | undefined): number => Number(/^v?(\d+)/.exec(variant ?? '')?.[1] ?? 1);
  if ((want.variant ?? '') === (have.variant ?? '')) return 100;
  const [wantLevel, haveLevel] = [level(want.variant), level(have.variant)];
  return haveLevel <= wantLevel ? 100 - (wantLevel - haveLevel) : 0;
}

/** The candidate that fits best; of equals the first. Undefined when none fits. */
export function bestPlatform<T>(
  wanted: Platform,
  candidates: readonly T[],
  platformOf: (candidate: T) => Platform | undefined,
): T | undefined {
  let best: T | undefined;
  let bestScore = 0;
  for (const candidate of candidates) {
    const platform = platformOf(candidate);
    const score = platform === undefined ? 0 : platformScore(wanted, platform);
    if (score > bestScore) {
      best = candidate;
      bestScore = score;
    }
  }
  return best;
}
