import { invalidParameter } from '@gantry/errors';
import { parseSize } from '@gantry/oci';
import { type LocalMount, localMount } from './local-mount.ts';

const KNOWN = ['type', 'o', 'device', 'size', 'uid', 'gid', 'mode'];
const NEEDS: Readonly<Record<string, readonly string[]>> = {
  device: ['type'],
  type: ['device'],
  o: ['device', 'type'],
};
const MAX_ID = 2 ** 32 - 2;

/** What the options of a local volume ask for. */
export type LocalOptions = {
  /** What is mounted while someone uses it; undefined for a volume in its own directory. */
  readonly mount: LocalMount | undefined;
  /** Limit of what its own directory takes; 0 for none. */
  readonly sizeBytes: number;
  /** Owner and mode of its top directory, where they were given. */
  readonly uid: number | undefined;
  readonly gid: number | undefined;
  readonly mode: number | undefined;
};

/**
 * Reads the driver options of a local volume: Docker's `type`, `device`, `o` and `size`, and Gantry's `uid`, `gid` and `mode`.
 * @throws invalidParameter with dockerd's text where it has one
 */
export function readDriverOptions(name: string, options: Readonly<Record<string, string>>): LocalOptions {
  const refuse = (reason: string, hint?: string): Error =>
    invalidParameter(`create ${name}: ${reason}`, hint === undefined ? {} : { hint });
  const keys = Object.keys(options);
  const unknown = keys.find(key => !KNOWN.includes(key));
  if (unknown !== undefined) throw refuse(`invalid option: ${JSON.stringify(unknown)}`);
  for (const key of keys) {
    const missing = NEEDS[key]?.find(other => options[other] === undefined);
    if (missing !== undefined) throw refuse(`missing required option: ${JSON.stringify(missing)}`);
  }
  const size = parseSize(options.size ?? '0', 1024);
  if (typeof size === 'string') throw refuse(size);
  const id = (key: 'uid' | 'gid'): number | undefined => {
    const text = options[key];
    if (text === undefined) return undefined;
    if (!/^\d{1,10}$/.test(text) || Number(text) > MAX_ID) {
      throw refuse(`invalid ${key}: ${JSON.stringify(text)}`, `${key} is a number, as the container sees it`);
    }
    return Number(text);
  };
  const own = { sizeBytes: size, uid: id('uid'), gid: id('gid'), mode: modeOf(options.mode, refuse) };
  if (options.device === undefined) return { mount: undefined, ...own };
  return elsewhere(localMount(options.device, options.type ?? '', options.o ?? ''), own, refuse);
}

function modeOf(text: string | undefined, refuse: (reason: string, hint: string) => Error): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[0-7]{1,5}$/.test(text) || Number.parseInt(text, 8) > 0o7777) {
    throw refuse(`invalid mode: ${JSON.stringify(text)}`, 'mode is octal, as 0750');
  }
  return Number.parseInt(text, 8);
}

/** A tmpfs takes our own options as its own; of what lies elsewhere for good, size and owner are not ours to change. */
function elsewhere(
  mount: LocalMount,
  { sizeBytes, uid, gid, mode }: Omit<LocalOptions, 'mount'>,
  refuse: (reason: string, hint: string) => Error,
): LocalOptions {
  const none = { sizeBytes: 0, uid: undefined, gid: undefined, mode: undefined };
  const words = [
    ...(sizeBytes === 0 ? [] : [`size=${sizeBytes}`]),
    ...(uid === undefined ? [] : [`uid=${uid}`]),
    ...(gid === undefined ? [] : [`gid=${gid}`]),
    ...(mode === undefined ? [] : [`mode=${mode.toString(8)}`]),
  ];
  if (words.length === 0) return { mount, ...none };
  if (mount.type !== 'tmpfs') {
    throw refuse(
      `size, uid, gid and mode cannot be given together with a device of type ${JSON.stringify(mount.type)}`,
      'they are for volumes in their own directory and for type=tmpfs',
    );
  }
  return { mount: { ...mount, data: [mount.data, ...words].filter(Boolean).join(',') }, ...none };
}
