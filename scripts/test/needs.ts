import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** A program that tests drive: where it may be, and the Debian package that has it. */
type Need = { readonly program: string; readonly debian: string };

const needs: readonly Need[] = [
  { program: 'busybox', debian: 'busybox-static' },
  { program: 'docker', debian: 'docker.io' },
  { program: 'script', debian: 'bsdutils' },
  { program: 'ip', debian: 'iproute2' },
  { program: 'nft', debian: 'nftables' },
  { program: 'wrk', debian: 'wrk' },
  { program: 'xz', debian: 'xz-utils' },
  { program: 'bzip2', debian: 'bzip2' },
  { program: 'mkfs.ext4', debian: 'e2fsprogs' },
  { program: 'losetup', debian: 'mount' },
  { program: 'docker-registry', debian: 'docker-registry' },
];

/** Unpacked without being installed: their maintainer scripts would start services that are not ours. */
const unpackOnly = new Set(['docker.io', 'docker-registry']);

/** Gets what tests need and this machine lacks, as root from Debian; names what stays missing. */
export function meetNeeds(top: string): readonly string[] {
  const tools = join(top, '.gantry/tools');
  process.env.PATH = [process.env.PATH, join(tools, 'usr/bin'), join(tools, 'usr/sbin')].join(delimiter);
  const missing = needs.filter(need => !onPath(need.program));
  if (missing.length === 0) return [];
  if (process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
    console.error(`test: getting ${missing.map(need => need.debian).join(', ')} from Debian`);
    run('apt-get', ['update', '-qq']);
    const install = missing.filter(need => !unpackOnly.has(need.debian)).map(need => need.debian);
    if (install.length > 0) run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...install]);
    for (const need of missing) if (unpackOnly.has(need.debian)) unpack(need.debian, tools);
  }
  return missing.filter(need => !onPath(need.program)).map(need => need.debian);
}

function unpack(debian: string, tools: string): void {
  mkdirSync(tools, { recursive: true });
  run('apt-get', ['download', '-qq', debian], tools);
  for (const file of readdirSync(tools)) {
    if (file.startsWith(`${debian}_`) && file.endsWith('.deb')) run('dpkg', ['-x', join(tools, file), tools]);
  }
}

function run(program: string, args: readonly string[], cwd = '/'): void {
  try {
    execFileSync(program, args, {
      cwd,
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
  } catch (error) {
    console.error(`test: ${program} ${args.join(' ')}: ${error instanceof Error ? error.message : error}`);
  }
}

function onPath(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some(directory => existsSync(join(directory, program)));
}
