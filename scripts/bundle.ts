/**
 * Writes the command line as one plain JavaScript file, `.gantry/cli.mjs`: finding, reading and linking its ninety modules one by
 * one takes as long as Node itself takes to start. Each module stays a function that runs when it is first needed, so a command
 * pays for what it uses. The sources are ours and follow the house's style, which is what makes this small linker enough: named
 * imports and exports only, `from '...'` on one line, no cycles. What does not fit fails here, and the front door then runs the sources.
 */
import { chownSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';

const top = resolve(import.meta.dirname, '..');
const target = join(top, '.gantry/cli.mjs');

/** Modules by path from the top, in the order in which they were met. */
const modules = new Map<string, { readonly id: number; code: string }>();

function addModule(path: string): number {
  const known = modules.get(path);
  if (known) return known.id;
  const module = { id: modules.size, code: '' };
  modules.set(path, module);
  module.code = linked(path, stripTypeScriptTypes(readFileSync(join(top, path), 'utf8')));
  return module.id;
}

/** The expression that gives a module's exports. */
function reference(specifier: string, from: string): string {
  if (specifier.startsWith('node:')) return `process.getBuiltinModule('${specifier}')`;
  if (specifier.startsWith('.')) return `m${addModule(join(dirname(from), specifier))}()`;
  const room = /^@gantry\/([a-z]+)$/.exec(specifier)?.[1];
  if (room === undefined) throw new Error(`${from}: cannot bundle '${specifier}'`);
  return `m${addModule(`packages/${room}/src/index.ts`)}()`;
}

const names = (list: string): [name: string, as: string][] =>
  list
    .split(',')
    .map(part => part.trim())
    .filter(part => part !== '')
    .map(part => {
      const [name = '', as = name] = part.split(/\s+as\s+/);
      return [name, as];
    });

function linked(path: string, source: string): string {
  const exported: string[] = [];
  const code = source
    .replace(/^import\s*\{([^}]*)\}\s*from\s*'([^']+)';/gm, (_, list: string, specifier: string) => {
      const wanted = names(list).map(([name, as]) => (name === as ? name : `${name}: ${as}`));
      return wanted.length === 0 ? '' : `const { ${wanted.join(', ')} } = ${reference(specifier, path)};`;
    })
    .replace(
      /^import\s*\*\s*as\s+(\w+)\s+from\s*'([^']+)';/gm,
      (_, name: string, specifier: string) => `const ${name} = ${reference(specifier, path)};`,
    )
    .replace(/^export\s*\{([^}]*)\}\s*from\s*'([^']+)';/gm, (_, list: string, specifier: string) => {
      const from = reference(specifier, path);
      // A getter, since an index names modules that a command may never need.
      for (const [name, as] of names(list)) exported.push(`get ${as}() { return ${from}.${name}; }`);
      return '';
    })
    .replace(/^export\s+((?:async\s+)?function\*?|const|class)\s+(\w+)/gm, (_, kind: string, name: string) => {
      exported.push(name);
      return `${kind} ${name}`;
    })
    .replace(/\bimport\('([^']+)'\)/g, (_, specifier: string) => `later(() => ${reference(specifier, path)})`)
    .replace(/\bimport\.meta\.dirname\b/g, `(here + ${JSON.stringify(`/${relative('.gantry', dirname(path))}`)})`);
  const rest = /^(?:import|export)\b.*$/m.exec(code) ?? /\bimport\.meta\b.*/.exec(code);
  if (rest) throw new Error(`${path}: cannot bundle ${JSON.stringify(rest[0])}`);
  // Types leave lines of spaces behind; these and comments would only be read and hashed at every start.
  const lean = code.replace(/^[ \t]*(?:\/\/.*|\/\*\*.*|\*(?: .*|\/)?|)[ \t]*\n/gm, '');
  return `${lean}\nreturn { ${exported.join(', ')} };`;
}

addModule('packages/cli/src/program.ts');
const main = linked(
  'packages/cli/src/main.ts',
  stripTypeScriptTypes(readFileSync(join(top, 'packages/cli/src/main.ts'), 'utf8')),
);
const bodies = [...modules].map(
  ([path, { id, code }]) =>
    `// ${path}\nlet e${id};\nconst m${id} = () => (e${id} ??= f${id}());\nfunction f${id}() {\n${code}\n}`,
);
const text = [
  '// Made by scripts/bundle.ts from the sources below packages/; changes are lost.',
  'const here = import.meta.dirname;',
  'const later = load => Promise.resolve().then(load);',
  ...bodies,
  main.replace(/\nreturn \{ *\};$/, '\n'),
].join('\n');

mkdirSync(dirname(target), { recursive: true });
writeFileSync(`${target}.${process.pid}`, text);
if (process.getuid?.() === 0) {
  const { uid, gid } = statSync(top);
  chownSync(`${target}.${process.pid}`, uid, gid);
}
renameSync(`${target}.${process.pid}`, target);
