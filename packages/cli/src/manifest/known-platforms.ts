/** What Docker's client lets a manifest be annotated with: the systems and their architectures that Go can build for. */
const ARCHITECTURES: Readonly<Record<string, string>> = {
  darwin: '386 amd64 arm arm64',
  dragonfly: 'amd64',
  freebsd: '386 amd64 arm',
  linux: '386 amd64 arm arm64 mips64 mips64le ppc64le riscv64 s390x',
  netbsd: '386 amd64 arm',
  openbsd: '386 amd64 arm',
  plan9: '386 amd64',
  solaris: 'amd64',
  windows: '386 amd64',
};

/** Tells whether a list may have an entry for this system and architecture. */
export function isKnownPlatform({ os, architecture }: { readonly os: string; readonly architecture: string }): boolean {
  return Object.hasOwn(ARCHITECTURES, os) && (ARCHITECTURES[os] ?? '').split(' ').includes(architecture);
}
