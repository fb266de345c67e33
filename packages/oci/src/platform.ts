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

/** Reads `linux/arm64/v8`, `linux/amd64`, `arm64` or `linux`. @throws invalidParameter for anything else */
export function parsePlatform(text: string, host: Platform = hostPlatform()): Platform {
  const parts = text.split('/');
  if (parts.length > 3) throw invalidParameter(`"${text}": cannot parse platform specifier: invalid argument`);
  if (parts.some(part => !/^[A-Za-z0-9_.-]+$/.test(part))) {
    throw invalidParameter(`"${text}": invalid platform: platform specifier component must match "^[A-Za-z0-9_.-]+$"`);
  }
  const [first = '', second, variant] = parts;
  if (second !== undefined) {
    return normalisePlatform({ os: first, architecture: second, ...(variant === undefined ? {} : { variant }) });
  }
  if (SYSTEMS.has(first.toLowerCase())) return normalisePlatform({ ...host, os: first });
  const platform = normalisePlatform({ os: host.os, architecture: first });
  if (KNOWN_ARCHITECTURES.has(platform.architecture)) return platform;
  throw invalidParameter(`"${text}": unknown operating system or architecture: invalid argument`);
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
