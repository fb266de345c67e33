import { systemError } from '@gantry/errors';
import { readFileInRoot } from '@gantry/linux';

/** The identity of a container's process. */
export type ExecUser = {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups, the primary one first. */
  readonly groups: readonly number[];
  /** Home directory from the passwd file; `/` when the user has none there. */
  readonly home: string;
};

/** The user and group files of an image; undefined for one that does not exist. */
export type AccountFiles = { readonly passwd: string | undefined; readonly group: string | undefined };

const MAX_ID = 2 ** 31 - 1;

/** Reads the account files inside a root; links stay inside it. */
export function readAccountFiles(rootFd: number): AccountFiles {
  const read = (path: string): string | undefined => readFileInRoot(rootFd, path, 16 << 20)?.toString('utf8');
  return { passwd: read('etc/passwd'), group: read('etc/group') };
}

type PasswdEntry = { readonly name: string; readonly uid: number; readonly gid: number; readonly home: string };
type GroupEntry = { readonly name: string; readonly gid: number; readonly members: readonly string[] };

/** A number as strconv.Atoi reads it, undefined when it is none. */
const integer = (text: string | undefined): number | undefined =>
  text !== undefined && /^[+-]?\d+$/.test(text) ? Number(text) : undefined;

const lines = (text: string | undefined): string[] =>
  (text ?? '')
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '');

function parsePasswd(text: string | undefined): PasswdEntry[] {
  return lines(text).map(line => {
    const [name = '', , uid, gid, , home = ''] = line.split(':');
    return { name, uid: integer(uid) ?? 0, gid: integer(gid) ?? 0, home };
  });
}

function parseGroup(text: string | undefined): GroupEntry[] {
  return lines(text).map(line => {
    const [name = '', , gid, members = ''] = line.split(':');
    return { name, gid: integer(gid) ?? 0, members: members.split(',') };
  });
}

function inRange(id: number): number {
  if (id < 0 || id > MAX_ID) throw systemError(`uids and gids must be in range 0-${MAX_ID}`);
  return id;
}

/**
 * Finds the user of a specification: empty, `user`, `uid`, `user:group`, `uid:gid` and mixtures. Names come from the
 * image's own files; a number need not be in them. Without an explicit group the user is also in the groups that list it.
 * @param groupAdd further groups (--group-add), by name or number
 * @throws systemError `unable to find user X: no matching entries in passwd file`, and the same for groups
 */
export function findUser(spec: string, groupAdd: readonly string[], files: AccountFiles): ExecUser {
  const colon = spec.indexOf(':');
  const userName = colon < 0 ? spec : spec.slice(0, colon);
  const groupName = colon < 0 ? '' : spec.slice(colon + 1);
  const userNumber = integer(userName);
  const groupNumber = integer(groupName);
  const entries = parsePasswd(files.passwd);
  const entry = entries.find(({ name, uid }) =>
    userName === '' ? uid === 0 : userNumber === undefined ? name === userName : uid === userNumber,
  );
  if (!entry && userName !== '' && userNumber === undefined) {
    throw systemError(`unable to find user ${userName}: no matching entries in passwd file`, {
      hint: 'the name is looked up in the image; a number always works',
    });
  }
  const uid = entry ? entry.uid : inRange(userNumber ?? 0);
  let gid = entry?.gid ?? 0;
  const groups = parseGroup(files.group);
  const supplementary: number[] = [];
  if (groupName !== '') {
    const group = groups.find(({ name, gid }) =>
      groupNumber === undefined ? name === groupName : gid === groupNumber,
    );
    if (!group && groupNumber === undefined) throw noGroup(groupName);
    gid = group?.gid ?? inRange(groupNumber ?? 0);
  } else if (entry && entry.name !== '') {
    for (const group of groups) if (group.members.includes(entry.name)) supplementary.push(group.gid);
  }
  return {
    uid,
    gid,
    groups: [gid, ...supplementary, ...additionalGroups(groupAdd, groups)],
    home: entries.find(other => other.uid === uid)?.home ?? '/',
  };
}

const noGroup = (name: string): Error => systemError(`unable to find group ${name}: no matching entries in group file`);

function additionalGroups(names: readonly string[], groups: readonly GroupEntry[]): number[] {
  const found = new Set<number>();
  for (const name of names) {
    const group = groups.find(entry => entry.name === name || String(entry.gid) === name);
    const gid = group?.gid ?? integer(name);
    if (gid === undefined) throw noGroup(name);
    found.add(inRange(gid));
  }
  return [...found];
}
