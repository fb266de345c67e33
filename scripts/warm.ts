/**
 * Fills Node's compile cache (NODE_COMPILE_CACHE) with the command line and the daemon, so that the first real command starts as
 * quickly as the later ones. Node keeps what it compiled when it loaded a file, whatever is run of it later: the version is enough.
 */
import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';

for (const program of ['cli', 'daemon']) {
  execFileSync(process.execPath, ['--', resolve(import.meta.dirname, `../.gantry/${program}.cjs`), '--version']);
}
