import { posix } from 'node:path';
import type { MountRequest } from '../documents/index.ts';

/** A volume or bind as parsed: what is asked for, and the mode text of `-v`. */
export type MountSpec = { readonly request: MountRequest; readonly mode: string };

const PROPAGATIONS = ['private', 'rprivate', 'slave', 'rslave', 'shared', 'rshared'];
const MODE_GROUPS: readonly (readonly string[])[] = [
  ['rw', 'ro'],
  ['z', 'Z'],
  PROPAGATIONS,
  ['nocopy'],
  ['consistent', 'cached', 'delegated'],
];

/** Whether `mode` is a list of mount modes, at most one of each kind. */
export function isMountMode(mode: string): boolean {
  if (mode === '') return true;
  const seen = new Set<readonly string[]>();
  for (const option of mode.split(',')) {
    const group = MODE_GROUPS.find(options => options.includes(option));
    if (!group || seen.has(group)) return false;
    seen.add(group);
  }
  return true;
}

export const propagationOf = (mode: string): string | undefined =>
  mode.split(',').find(option => PROPAGATIONS.includes(option));

const hasOption = (mode: string, option: string): boolean => mode.split(',').includes(option);

/**
 * Parses one `-v` value: `/ctr`, `name:/ctr`, `/host:/ctr`, each of the last two with `:mode`.
 * @returns the reason why dockerd refuses it, or the mount
 */
export function parseBind(raw: string, volumeDriver: string): MountSpec | string {
  const invalid = `invalid volume specification: '${raw}'`;
  const parts = raw.split(':');
  const [first = '', second, third] = parts;
  if (first === '' || parts.length > 3) return invalid;
  if (second !== undefined && third === undefined && isMountMode(second)) return invalid;
  const mode = third ?? '';
  if (!isMountMode(mode)) return `invalid mode: ${mode}`;
  const source = second === undefined ? '' : first;
  const isBind = source.startsWith('/');
  const propagation = propagationOf(mode);
  const noCopy = hasOption(mode, 'nocopy');
  const driver = volumeDriver !== '' && !isBind;
  const request: MountRequest = {
    Type: isBind ? 'bind' : 'volume',
    Source: source,
    Target: second ?? first,
    ReadOnly: hasOption(mode, 'ro'),
    ...(propagation === undefined ? {} : { BindOptions: { Propagation: propagation } }),
    ...(noCopy || driver
      ? {
          VolumeOptions: {
            ...(noCopy ? { NoCopy: true } : {}),
            ...(driver ? { DriverConfig: { Name: volumeDriver } } : {}),
          },
        }
      : {}),
  };
  const wrong = mountProblem(request);
  return wrong === undefined ? { request, mode } : `${invalid}: ${wrong}`;
}

const pathProblem = (path: string): string | undefined =>
  path.startsWith('/') ? undefined : `invalid mount path: '${path}' mount path must be absolute`;

const rootProblem = (path: string): string | undefined =>
  posix.normalize(path.replaceAll('\\', '/')).replace(/(?<=.)\/$/, '') === '/'
    ? "invalid specification: destination can't be '/'"
    : undefined;

/** Why dockerd refuses a `--tmpfs` destination, or undefined. */
export function tmpfsDestinationProblem(path: string): string | undefined {
  return rootProblem(path) ?? pathProblem(path);
}

/** Why dockerd refuses a mount of the Mounts list, or undefined. Whether a bind's source exists is not looked at. */
export function mountProblem(mount: MountRequest): string | undefined {
  const reason = reasonAgainst(mount);
  return reason === undefined ? undefined : mountConfigError(mount, reason);
}

export function mountConfigError(mount: MountRequest, reason: string): string {
  return `invalid mount config for type ${JSON.stringify(mount.Type ?? '')}: ${reason}`;
}

/** A relative path that stays below its directory, as Go's filepath.IsLocal says. */
function isLocal(path: string): boolean {
  return path !== '' && !path.startsWith('/') && !posix.normalize(path).split('/').includes('..');
}

function reasonAgainst(mount: MountRequest): string | undefined {
  const must = (field: 'Source' | 'Target'): string => `field ${field} must not be empty`;
  const mustNot = (...fields: ('BindOptions' | 'VolumeOptions' | 'ImageOptions')[]): string | undefined => {
    const extra = fields.find(field => mount[field]);
    return extra === undefined ? undefined : `field ${extra} must not be specified`;
  };
  if (!mount.Target) return must('Target');
  const target = rootProblem(mount.Target) ?? pathProblem(mount.Target);
  if (target !== undefined) return target;
  switch (mount.Type) {
    case 'bind': {
      if (!mount.Source) return must('Source');
      const propagation = mount.BindOptions?.Propagation;
      if (propagation && !PROPAGATIONS.includes(propagation)) return `invalid propagation mode: ${propagation}`;
      return mustNot('VolumeOptions', 'ImageOptions') ?? pathProblem(mount.Source);
    }
    case 'volume': {
      const extra = mustNot('BindOptions', 'ImageOptions');
      if (extra !== undefined) return extra;
      const subpath = mount.VolumeOptions?.Subpath;
      if (subpath) {
        if (!mount.Source) return 'must not set Subpath when using anonymous volumes';
        if (!isLocal(subpath)) return 'subpath must be a relative path within the volume';
      }
      return mount.ReadOnly && !mount.Source ? 'must not set ReadOnly mode when using anonymous volumes' : undefined;
    }
    case 'tmpfs': {
      const extra = mustNot('BindOptions', 'ImageOptions');
      if (extra !== undefined) return extra;
      if (mount.Source) return 'field Source must not be specified';
      for (const option of mount.TmpfsOptions?.Options ?? []) {
        if (option.length < 1 || option.length > 2) return 'invalid option array length';
        if (option[0] !== 'exec' && option[0] !== 'noexec') return `invalid option: ${option[0]}`;
      }
      return undefined;
    }
    case 'image': {
      const extra = mustNot('BindOptions', 'VolumeOptions');
      if (extra !== undefined) return extra;
      if (!mount.Source) return must('Source');
      const subpath = mount.ImageOptions?.Subpath;
      return subpath && !isLocal(subpath) ? 'subpath must be a relative path within the volume' : undefined;
    }
    default:
      return 'mount type unknown';
  }
}

/**
 * Parses `--volumes-from`: `container` or `container:mode`.
 * @returns the reason why dockerd refuses it, or the parts
 */
export function parseVolumesFrom(text: string): { readonly container: string; readonly readOnly: boolean } | string {
  if (text === '') return 'volumes-from specification cannot be an empty string';
  const colon = text.indexOf(':');
  const mode = colon < 0 ? '' : text.slice(colon + 1);
  if (!isMountMode(mode) || propagationOf(mode) !== undefined || hasOption(mode, 'nocopy'))
    return `invalid mode: ${mode}`;
  return { container: colon < 0 ? text : text.slice(0, colon), readOnly: hasOption(mode, 'ro') };
}

/** The mount options of a tmpfs of the Mounts list: `ro,mode=1770,size=64m`. */
export function tmpfsOptions(mount: MountRequest): string[] {
  const { SizeBytes = 0, Mode = 0, Options = [] } = mount.TmpfsOptions ?? {};
  const options: string[] = [];
  if (mount.ReadOnly) options.push('ro');
  if (Mode !== 0) options.push(`mode=${Mode.toString(8)}`);
  if (SizeBytes !== 0) {
    const unit = (
      [
        [30, 'g'],
        [20, 'm'],
        [10, 'k'],
      ] as const
    ).find(([bits]) => SizeBytes % 2 ** bits === 0);
    options.push(unit ? `size=${SizeBytes / 2 ** unit[0]}${unit[1]}` : `size=${SizeBytes}`);
  }
  for (const option of Options ?? []) options.push(option.join('='));
  return options;
}
