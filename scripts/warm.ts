/**
 * Fills Node's compile cache (NODE_COMPILE_CACHE) with every module that the command line and the daemon load, so that
 * the first real command starts as quickly as the later ones.
 */
import { glob } from 'node:fs/promises';
import { flushCompileCache } from 'node:module';
import { resolve } from 'node:path';

const top = resolve(import.meta.dirname, '..');
const entries = ['packages/client/src/index.ts', 'packages/daemon/src/index.ts'];
for await (const file of glob('packages/cli/src/**/*.ts', { cwd: top })) {
  if (!file.endsWith('.test.ts') && !file.endsWith('/main.ts')) entries.push(file);
}
for (const entry of entries) {
  try {
    await import(resolve(top, entry));
  } catch (error) {
    // A module that cannot load here (another kernel, half a checkout) says so when it is used.
    console.error(`${entry}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
flushCompileCache();
