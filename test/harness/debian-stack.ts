import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { execute } from './execute.ts';

const tools = resolve(import.meta.dirname, '../../.gantry/tools');
const packages = ['busybox-static', 'nginx-light', 'python3', 'python3-pymysql', 'mariadb-server-core', 'redis-server'];
/** What those depend on for their installation, or for what the tests do not use. */
const unused = /^(adduser|debconf|dpkg|init-system-helpers|iproute2|lib.*-perl|libperl.*|passwd|perl.*|tar|usrmerge)_/;

const unpack = `
for file in "$1"/*.deb; do
  dpkg-deb --fsys-tarfile "$file" | tar -x -C "$2" --no-same-owner \\
    --exclude './usr/share/doc/*' --exclude './usr/share/man/*' --exclude './usr/share/locale/*' || exit 1
done`;

/**
 * Path of a tar with nginx, Python, MariaDB and Redis of Debian, made once a checkout (some 60 MB are fetched); or why this
 * machine cannot have it, in the words of a skipped test. Nothing is installed on the machine.
 */
export async function debianStack(): Promise<{ readonly archive: string } | { readonly lacks: string }> {
  const archive = join(tools, 'stack.tar');
  if (existsSync(archive)) return { archive };
  if (!existsSync('/usr/bin/apt-get') || !existsSync('/usr/bin/dpkg-deb'))
    return { lacks: 'this machine lacks apt-get' };
  mkdirSync(tools, { recursive: true });
  const scratch = mkdtempSync(join(tools, 'stack-'));
  try {
    const [debs, root] = [join(scratch, 'debs'), join(scratch, 'root')];
    mkdirSync(join(debs, 'partial'), { recursive: true });
    mkdirSync(root);
    // As on a machine where nothing is installed, so that everything down to the C library comes.
    writeFileSync(join(scratch, 'status'), '');
    const own = [`Dir::State::status=${scratch}/status`, `Dir::Cache::archives=${debs}`, 'Debug::NoLocking=1'];
    const options = [...own, 'APT::Sandbox::User=root'].flatMap(option => ['-o', option]);
    const fetch = (...more: string[]) =>
      execute('apt-get', [
        ...options,
        ...more,
        ...'-y -qq --no-install-recommends --download-only'.split(' '),
        'install',
        ...packages,
      ]);
    let fetched = await fetch();
    if (fetched.code !== 0) {
      // Without lists of packages, or with old ones: with lists of its own.
      const lists = ['-o', `Dir::State::lists=${scratch}/lists`];
      mkdirSync(join(scratch, 'lists/partial'), { recursive: true });
      await execute('apt-get', [...options, ...lists, '-qq', 'update']);
      fetched = await fetch(...lists);
    }
    if (fetched.code !== 0) return { lacks: 'this machine lacks a Debian mirror to get nginx, MariaDB and Redis from' };
    for (const file of readdirSync(debs)) if (unused.test(file)) rmSync(join(debs, file));
    const unpacked = await execute('sh', ['-c', unpack, 'sh', debs, root]);
    if (unpacked.code !== 0) return { lacks: `this machine lacks what unpacks Debian's packages: ${unpacked.stderr}` };
    for (const directory of ['proc', 'sys', 'dev', 'tmp', 'run', 'srv', 'root'])
      mkdirSync(join(root, directory), { recursive: true });
    for (const applet of [
      'sh',
      'cat',
      'mkdir',
      'chown',
      'chmod',
      'rm',
      'sed',
      'dirname',
      'hostname',
      'sleep',
      'ln',
      'touch',
    ])
      if (!existsSync(join(root, 'bin', applet))) symlinkSync('busybox', join(root, 'bin', applet));
    writeFileSync(
      join(root, 'etc/passwd'),
      'root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n',
    );
    writeFileSync(join(root, 'etc/group'), 'root:x:0:\nwww-data:x:33:\nadm:x:4:\nnogroup:x:65534:\n');
    await execute('tar', ['-C', root, '-cf', join(scratch, 'tar'), '.']);
    renameSync(join(scratch, 'tar'), archive);
    return { archive };
  } finally {
    rmSync(scratch, { recursive: true });
  }
}
