import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync, rmdirSync } from 'node:fs';
import { resolve } from 'node:path';

const top = resolve(import.meta.dirname, '../..');

/** What carries our name on this machine, each as a line for a person. */
export function leftovers(): Set<string> {
  return new Set([...mounts(), ...links(), ...namespaces(), ...cgroups(), ...tables(), ...processes()]);
}

function mounts(): string[] {
  const lines = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  return lines.filter(line => /gantry/.test(line)).map(line => `mount ${line.split(' ')[1]}`);
}

function links(): string[] {
  return list('/sys/class/net')
    .filter(name => /^(gantry|gntry)/.test(name))
    .map(name => `link ${name}`);
}

function namespaces(): string[] {
  return list('/run/netns')
    .filter(name => name.includes('gantry'))
    .map(name => `network namespace ${name}`);
}

function cgroups(): string[] {
  const found: string[] = [];
  const walk = (directory: string, depth: number) => {
    for (const entry of list(directory, true)) {
      const path = `${directory}/${entry}`;
      if (entry.includes('gantry')) found.push(`cgroup ${path}`);
      else if (depth > 0) walk(path, depth - 1);
    }
  };
  walk('/sys/fs/cgroup', 3);
  return found;
}

/** The parent of containers that name none stays when the last one is gone, as dockerd's does. One with something in it is no parent to remove. */
export function removeEmptyParentCgroups(before: ReadonlySet<string>): void {
  for (const line of cgroups()) {
    const path = line.slice('cgroup '.length);
    if (before.has(line) || !path.endsWith('/gantry')) continue;
    try {
      rmdirSync(path);
    } catch {
      // It has something in it: it is named as left behind.
    }
  }
}

function tables(): string[] {
  try {
    const text = execFileSync('nft', ['list', 'tables'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    return text.split('\n').filter(line => line.includes('gantry'));
  } catch {
    return []; // no nft, or not root
  }
}

/** Daemons of this checkout, and shims whose run directory is one of the tests' own; another's engine beside us is not ours to judge. */
function processes(): string[] {
  return list('/proc')
    .filter(pid => /^\d+$/.test(pid))
    .flatMap(pid => {
      try {
        const name = readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
        const ours =
          name === 'gantry-daemon'
            ? readlinkSync(`/proc/${pid}/exe`).startsWith(top)
            : name === 'gantry-shim' && openFiles(pid).some(path => path.includes('/gantry-test-'));
        return ours ? [`process ${pid}: ${name}`] : [];
      } catch {
        return []; // gone meanwhile
      }
    });
}

function openFiles(pid: string): string[] {
  return list(`/proc/${pid}/fd`).map(descriptor => readlinkSync(`/proc/${pid}/fd/${descriptor}`));
}

function list(directory: string, foldersOnly = false): string[] {
  try {
    const entries = readdirSync(directory, { withFileTypes: true });
    return entries.filter(entry => !foldersOnly || entry.isDirectory()).map(entry => entry.name);
  } catch {
    return [];
  }
}
