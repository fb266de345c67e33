import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

const SECURITY = '/sys/kernel/security/apparmor';
/** A policy takes a tenth of a second; a machine that is very busy, longer. */
const PARSER_TIMEOUT_MS = 60_000;

/** The program that compiles policies into the kernel, or undefined when it is not installed. */
export function findAppArmorParser(): string | undefined {
  return ['/sbin/apparmor_parser', '/usr/sbin/apparmor_parser'].find(path => existsSync(path));
}

/**
 * A path of securityfs that is there as long as a profile is loaded, or undefined when it is not.
 * @throws when securityfs is not mounted
 */
export async function loadedAppArmorProfile(name: string): Promise<string | undefined> {
  const profiles = join(SECURITY, 'policy/profiles');
  // Folders are named NAME.NUMBER, where NAME has another spelling for some characters.
  for (const folder of (await readdir(profiles)).filter(folder => folder.startsWith(`${name}.`))) {
    const loaded = await readFile(join(profiles, folder, 'name'), 'utf8').catch(() => '');
    if (loaded.trim() === name) return join(profiles, folder);
  }
  return undefined;
}

/**
 * Compiles a policy and loads it, in place of profiles of the same name. Nothing is cached on disk.
 * @throws Error with what the parser said
 * @see apparmor_parser(8)
 */
export function loadAppArmorPolicy(parser: string, policy: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = execFile(parser, ['-Kr'], { timeout: PARSER_TIMEOUT_MS }, (error, _, stderr) => {
      if (error) reject(new Error(stderr.trim() || error.message, { cause: error }));
      else resolve();
    });
    child.stdin?.on('error', () => {}); // the exit status tells
    child.stdin?.end(policy);
  });
}
