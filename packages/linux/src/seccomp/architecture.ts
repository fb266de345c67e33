import { AARCH64 } from './tables/aarch64.ts';
import { ARM } from './tables/arm.ts';
import { I386 } from './tables/i386.ts';
import { X32 } from './tables/x32.ts';
import { X86_64 } from './tables/x86-64.ts';

/** One way to call the kernel. */
export type Architecture = {
  /** SCMP_ARCH_* of profiles. */
  readonly name: string;
  /** AUDIT_ARCH_* that the kernel tells filters. */
  readonly audit: number;
  /** Arguments have 32 bits: the upper half is not looked at. */
  readonly narrow: boolean;
  readonly numbers: () => ReadonlyMap<string, number>;
};

/** Set in the numbers of x32, which shares x86-64's architecture. */
export const X32_BIT = 0x40000000;

const AUDIT_X86_64 = 0xc000003e;

const lazily = (text: string): (() => ReadonlyMap<string, number>) => {
  let table: Map<string, number> | undefined;
  return () => {
    table ??= new Map(
      text
        .trim()
        .split(/\s+/)
        .map(entry => {
          const colon = entry.indexOf(':');
          return [entry.slice(0, colon), Number(entry.slice(colon + 1))];
        }),
    );
    return table;
  };
};

export const ARCHITECTURES: readonly Architecture[] = [
  { name: 'SCMP_ARCH_X86_64', audit: AUDIT_X86_64, narrow: false, numbers: lazily(X86_64) },
  { name: 'SCMP_ARCH_X86', audit: 0x40000003, narrow: true, numbers: lazily(I386) },
  { name: 'SCMP_ARCH_X32', audit: AUDIT_X86_64, narrow: true, numbers: lazily(X32) },
  { name: 'SCMP_ARCH_AARCH64', audit: 0xc00000b7, narrow: false, numbers: lazily(AARCH64) },
  { name: 'SCMP_ARCH_ARM', audit: 0x40000028, narrow: true, numbers: lazily(ARM) },
];

/** The architecture of a profile's name; undefined for those that Gantry does not run on. */
export function architectureNamed(name: string): Architecture | undefined {
  return ARCHITECTURES.find(architecture => architecture.name === name);
}

/** This machine's own architecture. */
export function nativeArchitecture(arch: string = process.arch): Architecture {
  const found = architectureNamed(arch === 'arm64' ? 'SCMP_ARCH_AARCH64' : 'SCMP_ARCH_X86_64');
  if (!found) throw new Error(`no seccomp table for ${arch}`);
  return found;
}

/** Tells whether any architecture has a system call of this name. */
export function isSystemCall(name: string): boolean {
  return ARCHITECTURES.some(({ numbers }) => numbers().has(name));
}
