/**
 * Fills Node's compile cache (NODE_COMPILE_CACHE) with what the command line and the daemon load, so that the first real command
 * starts as quickly as the later ones.
 */
import { execFileSync } from 'node:child_process';
import { flushCompileCache } from 'node:module';
import { resolve } from 'node:path';

const top = resolve(import.meta.dirname, '..');
const entries = ['packages/daemon/src/index.ts'];
for (const entry of entries) {
  try {
    await import(resolve(top, entry));
  } catch (error) {
    // A module that cannot load here (another kernel, half a checkout) says so when it is used.
    console.error(`${entry}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
flushCompileCache();
execFileSync(process.execPath, ['--', resolve(top, '.gantry/cli.mjs'), '--version']);
