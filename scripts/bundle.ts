/**
 * Writes the command line, the daemon, and each of the daemon's threads as one plain JavaScript file in `.gantry`: finding, reading
 * and linking their modules one by one takes longer than Node itself takes to start. Each module stays a function that runs when
 * it is first needed, so a command pays for what it uses. The sources are ours and follow the house's style, which is what makes
 * this small linker enough: named imports and exports, `from '...'` on one line. What does not fit fails here, and the
 * front door then runs the sources.
 *
 * usage: bundle.ts [cli] [daemon]
 *        bundle.ts FILE   any other program, such as a test for the emulated processor of ../shared/vm; says where it is
 */
import { chownSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { basename, dirname, join, relative, resolve } from 'node:path';

const top = resolve(import.meta.dirname, '..');
const folder = join(top, '.gantry');

/** What is run, by the name of its file. */
const ENTRIES: Readonly<Record<string, string>> = {
  cli: 'packages/cli/src/main.ts',
  daemon: 'packages/daemon/src/main.ts',
};

/** A module's code, and its exports as parts of an object: each a getter, since an index names modules that a command may never need. */
type Linked = { readonly code: string; readonly exported: readonly string[] };

/** The program that begins with one module, and all modules that it may need. */
class Bundle {
  /** Threads that it starts, by path from the top. */
  readonly threads = new Set<string>();
  /** Modules by path from the top, in the order in which they were met. */
  readonly #modules = new Map<string, Linked & { readonly id: number }>();
  readonly #entry: string;

  constructor(entry: string) {
    this.#entry = entry;
  }

  text(): string {
    const main = this.#link(this.#entry);
    const bodies = [...this.#modules].map(
      // Its exports are there before it runs: modules that need each other find each other's functions.
      ([path, { id, code, exported }]) =>
        `// ${path}\nlet $e${id};\nconst $m${id} = () => ($e${id} || $f${id}(), $e${id});\n` +
        `function $f${id}() {\n$e${id} = { ${exported.join(', ')} };\n${code}\n}`,
    );
    return ascii(
      [
        '// Made by scripts/bundle.ts from the sources below packages/; changes are lost.',
        'const $later = load => Promise.resolve().then(load);',
        "const $url = path => process.getBuiltinModule('node:url').pathToFileURL(__dirname + path).href;",
        ...bodies,
        `(async () => {\n${main.code}\n})();`,
      ].join('\n'),
    );
  }

  #add(path: string): number {
    const known = this.#modules.get(path);
    if (known) return known.id;
    const id = this.#modules.size;
    this.#modules.set(path, { id, code: '', exported: [] });
    this.#modules.set(path, { id, ...this.#link(path) });
    return id;
  }

  /** The expression that gives a module's exports. */
  #reference(specifier: string, from: string): string {
    if (specifier.startsWith('node:')) return `process.getBuiltinModule('${specifier}')`;
    if (specifier.startsWith('.')) return `$m${this.#add(join(dirname(from), specifier))}()`;
    const room = /^@gantry\/([a-z]+)$/.exec(specifier)?.[1];
    if (room !== undefined) return `$m${this.#add(`packages/${room}/src/index.ts`)}()`;
    return `require('${specifier}')`;
  }

  #link(path: string): Linked {
    const exported: string[] = [];
    const code = stripTypeScriptTypes(readFileSync(join(top, path), 'utf8'))
      .replace(/^import\s*\{([^}]*)\}\s*from\s*'([^']+)';/gm, (_, list: string, specifier: string) => {
        const wanted = names(list).map(([name, as]) => (name === as ? name : `${name}: ${as}`));
        return wanted.length === 0 ? '' : `const { ${wanted.join(', ')} } = ${this.#reference(specifier, path)};`;
      })
      .replace(/^import\s*\*\s*as\s+(\w+)\s+from\s*'([^']+)';/gm, (_, name: string, specifier: string) => {
        return `const ${name} = ${this.#reference(specifier, path)};`;
      })
      .replace(/^import\s+(\w+)\s+from\s*'([^']+)';/gm, (_, name: string, specifier: string) => {
        return `const ${name} = ${this.#reference(specifier, path)};`;
      })
      .replace(/^export\s*\{([^}]*)\}\s*from\s*'([^']+)';/gm, (_, list: string, specifier: string) => {
        if (names(list).length === 0) return '';
        const from = this.#reference(specifier, path);
        for (const [name, as] of names(list)) exported.push(getter(as, `${from}.${name}`));
        return '';
      })
      .replace(/^export\s*\*\s*as\s+(\w+)\s+from\s*'([^']+)';/gm, (_, name: string, specifier: string) => {
        exported.push(getter(name, this.#reference(specifier, path)));
        return '';
      })
      .replace(/^export\s*\*\s*from\s*'([^']+)';/gm, (_, specifier: string) => {
        exported.push(`...${this.#reference(specifier, path)}`);
        return '';
      })
      .replace(/^export\s+((?:async\s+)?function\*?|const|class)\s+(\w+)/gm, (_, kind: string, name: string) => {
        exported.push(getter(name, name));
        return `${kind} ${name}`;
      })
      .replace(/^export\s*\{([^}]*)\};/gm, (_, list: string) => {
        for (const [name, as] of names(list)) exported.push(getter(as, name));
        return '';
      })
      .replace(/\bimport\('([^']+)'\)/g, (whole, specifier: string) =>
        /^[.@]/.test(specifier) ? `$later(() => ${this.#reference(specifier, path)})` : whole,
      )
      .replace(/\bnew URL\('(\.[^']+\.ts)', import\.meta\.url\)/g, (_, specifier: string) => {
        const thread = join(dirname(path), specifier);
        this.threads.add(thread);
        return `new URL($url('/${threadFile(thread)}'))`;
      })
      .replace(/\bimport\.meta\.url\b/g, `$url(${JSON.stringify(`/${relative('.gantry', path)}`)})`)
      .replace(/\bimport\.meta\.(dirname|filename)\b/g, (_, which: string) => {
        const place = relative('.gantry', which === 'dirname' ? dirname(path) : path);
        return `(__dirname + ${JSON.stringify(`/${place}`)})`;
      });
    const rest = /^(?:import|export)\b(?!\().*$/m.exec(code) ?? /\bimport\.meta\b.*/.exec(code);
    if (rest) throw new Error(`${path}: cannot bundle ${JSON.stringify(rest[0])}`);
    return { code: lean(code), exported };
  }
}

/** One byte a character: in memory, where V8 would keep two of each, and on the way there. */
const ascii = (text: string): string =>
  text.replace(/[^\0-\x7f]/g, unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);

const getter = (name: string, value: string): string => `get ${name}() { return ${value}; }`;

const names = (list: string): [name: string, as: string][] =>
  list
    .split(',')
    .map(part => part.trim())
    .filter(part => part !== '')
    .map(part => {
      const [name = '', as = name] = part.split(/\s+as\s+/);
      return [name, as];
    });

/** Types leave lines of spaces behind; these and comments would only be read and hashed at every start. */
function lean(code: string): string {
  const mayHaveTextOfSeveralLines = code.split('\n').some(line => (line.match(/`/g)?.length ?? 0) % 2 === 1);
  if (mayHaveTextOfSeveralLines) return code;
  return code.replace(/^[ \t]*(?:\/\/.*|\/\*\*.*|\*(?: .*|\/)?|)[ \t]*\n/gm, '');
}

function threadFile(path: string): string {
  return `${basename(path, '.ts')}.cjs`;
}

function writeBundle(entry: string, file: string): void {
  const bundle = new Bundle(entry);
  const text = bundle.text();
  // First its threads: the front door compares the sources with the program's file.
  for (const thread of bundle.threads) writeBundle(thread, threadFile(thread));
  const target = join(folder, file);
  writeFileSync(`${target}.${process.pid}`, text);
  if (process.getuid?.() === 0) {
    const { uid, gid } = statSync(top);
    chownSync(`${target}.${process.pid}`, uid, gid);
  }
  renameSync(`${target}.${process.pid}`, target);
}

const wanted = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
for (const [name, entry] of Object.entries(ENTRIES)) {
  if (wanted.length === 0 || wanted.includes(name)) writeBundle(entry, `${name}.cjs`);
}
for (const path of wanted.filter(name => !(name in ENTRIES))) {
  const file = `${path.replaceAll('/', '-').replace(/\.ts$/, '')}.cjs`;
  writeBundle(path, file);
  console.log(join('.gantry', file));
}
