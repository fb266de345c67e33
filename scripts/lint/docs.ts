/**
 * Documents name only what exists: relative links, their headings, and file paths between backticks. Prints each offence as
 * `file:line: reason` and ends with status 1 when there is one.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join, matchesGlob, normalize, resolve } from 'node:path';

export type Offence = { readonly file: string; readonly line: number; readonly reason: string };

/** A path of this repository as documents write it: it has an ending of ours, or is a folder below a top one. */
const PATH =
  /^(?:[\w.@*-]+\/)*[\w.@*-]+\.(?:ts|c|h|sh|md|json|service|html)$|^(?:packages|test|scripts|bench|docs|contrib|\.ci)\/[\w./*-]+$/;
/** Names of files that belong to Docker, to users or to the system, not to us. */
const FOREIGN =
  /^(?:daemon|config|manifest|index|list|oci-layout|state)\.json$|^hosts\.toml$|(?:^|\/)(?:\*|x)\.(?:test\.)?ts$|^x\.test\.ts$/;

/**
 * Judges one document.
 * @param file its path from the top of the checkout
 * @param files every file of the checkout, from the top
 * @param headingsOf the anchors that a document has
 */
export function judge(
  file: string,
  source: string,
  files: readonly string[],
  headingsOf: (file: string) => ReadonlySet<string>,
): Offence[] {
  const offences: Offence[] = [];
  const folders = foldersOf(files);
  let fenced = false;
  for (const [index, line] of source.split('\n').entries()) {
    const offend = (reason: string) => offences.push({ file, line: index + 1, reason });
    if (/^\s*```/.test(line)) fenced = !fenced;
    if (fenced) continue;
    for (const [, target = ''] of line.matchAll(/\]\(([^()\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [path = '', anchor] = target.split('#');
      const linked = path === '' ? file : normalize(join(dirname(file), path));
      if (!files.includes(linked) && !folders.has(linked.replace(/\/$/, '')))
        offend(`the link '${target}' leads nowhere`);
      else if (anchor !== undefined && linked.endsWith('.md') && !headingsOf(linked).has(anchor))
        offend(`'${linked}' has no heading '#${anchor}'`);
    }
    for (const [, words = ''] of line.matchAll(/`([^`]+)`/g)) {
      for (const word of words.split(/\s+/).map(text => text.replace(/^['"]|['"]$/g, ''))) {
        if (!PATH.test(word) || FOREIGN.test(word)) continue;
        if (!isThere(word, files, folders)) offend(`no file '${word}' in the checkout`);
      }
    }
  }
  return offences;
}

/** A document may leave out the first folders of a path that its paragraph has named. */
function isThere(word: string, files: readonly string[], folders: ReadonlySet<string>): boolean {
  const path = word.replace(/\/$/, '');
  if (path.includes('*')) return files.some(file => matchesGlob(file, path) || matchesGlob(file, `**/${path}`));
  if (folders.has(path) || files.includes(path)) return true;
  return files.some(file => file.endsWith(`/${path}`));
}

function foldersOf(files: readonly string[]): ReadonlySet<string> {
  const folders = new Set(['.']);
  for (const file of files) {
    for (let folder = dirname(file); !folders.has(folder); folder = dirname(folder)) folders.add(folder);
  }
  return folders;
}

/** The anchors that GitHub and its like give to the headings of a document. */
export function anchorsOf(source: string): ReadonlySet<string> {
  return new Set(
    [...source.matchAll(/^#+\s+(.*)$/gm)].map(([, title = '']) =>
      title
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .trim()
        .replaceAll(' ', '-'),
    ),
  );
}

function main(top: string): number {
  const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: top,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  })
    .split('\0')
    .filter(Boolean);
  const read = (file: string): string => readFileSync(join(top, file), 'utf8');
  const documents = files.filter(file => file.endsWith('.md'));
  const offences = documents.flatMap(file => judge(file, read(file), files, other => anchorsOf(read(other))));
  for (const { file, line, reason } of offences) console.error(`${file}:${line}: ${reason}`);
  console.log(`docs: ${documents.length} documents, ${offences.length} offences`);
  return offences.length === 0 ? 0 : 1;
}

if (import.meta.main) process.exitCode = main(resolve(import.meta.dirname, '../..'));
