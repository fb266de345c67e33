/**
 * The import rule of the house: an arrow points down the list of rooms, through the face of a package that
 * package.json names. Prints each offence as `file:line: reason` and ends with status 1 when there is one.
 */
import { readFileSync } from 'node:fs';
import { glob } from 'node:fs/promises';
import { join, resolve } from 'node:path';

/** From top to bottom, as in DESIGN.md; the last four stand below everything. */
export const rooms = [
  'desktop',
  'cli',
  'compose',
  'client',
  'daemon',
  'api',
  'engine',
  'builder',
  'registry',
  'images',
  'network',
  'volumes',
  'runtime',
  'linux',
  'oci',
  'store',
  'jobs',
  'template',
  'errors',
] as const;

/** What talks to the daemon does so by the client alone. */
const onlyClient = new Set(['cli', 'desktop', 'compose']);
/** What knows nothing of the daemon may be used on both sides. */
const neutral = new Set(['template', 'errors']);

export type Import = { readonly specifier: string; readonly line: number; readonly typeOnly: boolean };
export type Offence = { readonly file: string; readonly line: number; readonly reason: string };

const IMPORT =
  /(?:^|[\n;])\s*(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?['"]([^'"\n]+)['"]|\bimport\(\s*['"]([^'"\n]+)['"]\s*\)/g;

/** The imports and re-exports of a source text, static and dynamic. */
export function importsOf(source: string): Import[] {
  return [...source.matchAll(IMPORT)].map(match => {
    const specifier = match[2] ?? match[3] ?? '';
    const at = match.index + match[0].indexOf(specifier);
    return { specifier, line: source.slice(0, at).split('\n').length, typeOnly: match[1] !== undefined };
  });
}

/**
 * Judges the imports of one file.
 * @param file path from the top of the checkout, `packages/NAME/src/...`
 * @param dependencies what the package's package.json names; `devDependencies` count for tests
 */
export function judge(
  file: string,
  imports: readonly Import[],
  dependencies: ReadonlySet<string>,
  devDependencies: ReadonlySet<string> = new Set(),
): Offence[] {
  const room = file.split('/')[1] ?? '';
  const isTest = /\.test\.ts$|\.contract\.ts$/.test(file);
  const offences: Offence[] = [];
  for (const { specifier, line } of imports) {
    const offend = (reason: string) => offences.push({ file, line, reason });
    if (specifier.startsWith('node:')) continue;
    if (specifier.startsWith('.')) {
      const target = join(file, '..', specifier);
      if (!target.startsWith(`packages/${room}/`))
        offend(`'${specifier}' reaches into another package; import its face`);
      else if (!/\.(ts|json)$/.test(specifier)) offend(`'${specifier}' lacks its '.ts' ending`);
      continue;
    }
    const name = packageName(specifier);
    if (!dependencies.has(name) && !(isTest && devDependencies.has(name)) && name !== `@gantry/${room}`) {
      offend(`'${name}' is missing from the dependencies of packages/${room}/package.json`);
    }
    if (!name.startsWith('@gantry/')) continue;
    const target = name.slice('@gantry/'.length);
    // A package may lend its tests' tools to the tests of others.
    const lent = isTest && specifier === `${name}/testing`;
    if (specifier !== name && !lent) offend(`'${specifier}' reaches into another package; import '${name}'`);
    const [from, to] = [rank(room), rank(target)];
    if (to < 0) offend(`'${name}' is no room of the list in scripts/lint/layers.ts`);
    else if (to <= from) offend(`an import may only point down the list of rooms: ${room} may not import ${target}`);
    else if (onlyClient.has(room) && target !== 'client' && !neutral.has(target)) {
      offend(`${room} talks to the daemon by client alone, and may not import ${target}`);
    }
  }
  return offences;
}

function rank(room: string): number {
  return (rooms as readonly string[]).indexOf(room);
}

function packageName(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

async function main(top: string): Promise<number> {
  const offences: Offence[] = [];
  let files = 0;
  for await (const manifest of glob('packages/*/package.json', { cwd: top })) {
    const folder = manifest.slice(0, -'/package.json'.length);
    const { dependencies = {}, devDependencies = {} } = JSON.parse(
      readFileSync(join(top, manifest), 'utf8'),
    ) as Manifest;
    for await (const file of glob(`${folder}/**/*.ts`, { cwd: top, exclude: name => name === 'node_modules' })) {
      files++;
      const imports = importsOf(readFileSync(join(top, file), 'utf8'));
      offences.push(...judge(file, imports, new Set(Object.keys(dependencies)), new Set(Object.keys(devDependencies))));
    }
  }
  for (const { file, line, reason } of offences) console.error(`${file}:${line}: ${reason}`);
  console.log(`layers: ${files} files, ${offences.length} offences`);
  return offences.length === 0 ? 0 : 1;
}

type Manifest = { dependencies?: Record<string, string>; devDependencies?: Record<string, string> };

if (import.meta.main) process.exitCode = await main(resolve(import.meta.dirname, '../..'));
