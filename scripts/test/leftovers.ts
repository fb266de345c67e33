import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

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

function tables(): string[] {
  try {
    const text = execFileSync('nft', ['list', 'tables'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    return text.split('\n').filter(line => line.includes('gantry'));
  } catch {
    return []; // no nft, or not root
  }
}

/** Daemons, launchers, shims and the programs of tests, wherever their checkout is. */
function processes(): string[] {
  return list('/proc')
    .filter(pid => /^\d+$/.test(pid))
    .flatMap(pid => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
        return /gantry-(native|daemon|launcher|shim|init|test)|packages\/daemon\/src\/main\.ts/.test(line)
          ? [`process ${pid}: ${line}`]
          : [];
      } catch {
        return []; // gone meanwhile
      }
    });
}

function list(directory: string, foldersOnly = false): string[] {
  try {
    const entries = readdirSync(directory, { withFileTypes: true });
    return entries.filter(entry => !foldersOnly || entry.isDirectory()).map(entry => entry.name);
  } catch {
    return [];
  }
}
