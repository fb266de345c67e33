import { isAbsolute, resolve } from 'node:path';
import type { MountRequest } from '@gantry/client';
import { isTrue, toggle } from '../flags/flag.ts';
import { parseBytes } from '../render/units.ts';

type Draft = MountRequest & {
  BindOptions: NonNullable<MountRequest['BindOptions']>;
  VolumeOptions: NonNullable<MountRequest['VolumeOptions']>;
  TmpfsOptions: NonNullable<MountRequest['TmpfsOptions']>;
  ImageOptions: NonNullable<MountRequest['ImageOptions']>;
};

type Setter = (mount: Draft, value: string, key: string) => void;

const on = (value: string, key: string): boolean => {
  if (toggle.check(value) !== undefined) throw new Error(`invalid value for ${key}: ${value}`);
  return isTrue(value);
};

const pair = (record: Record<string, string>, value: string) => {
  const equals = value.indexOf('=');
  record[equals < 0 ? value : value.slice(0, equals)] = equals < 0 ? '' : value.slice(equals + 1);
};

const source: Setter = (mount, value) => {
  mount.Source = value;
};
const target: Setter = (mount, value) => {
  mount.Target = value;
};
const readOnly: Setter = (mount, value, key) => {
  mount.ReadOnly = on(value, key);
};

/** The keys of `--mount`; each sets its part of the mount. */
const setters: ReadonlyMap<string, Setter> = new Map<string, Setter>([
  ['source', source],
  ['src', source],
  ['target', target],
  ['dst', target],
  ['destination', target],
  ['readonly', readOnly],
  ['ro', readOnly],
  [
    'type',
    (mount, value) => {
      mount.Type = value.toLowerCase() as MountRequest['Type'];
    },
  ],
  [
    'consistency',
    (mount, value) => {
      mount.Consistency = value.toLowerCase();
    },
  ],
  [
    'bind-propagation',
    (mount, value) => {
      mount.BindOptions.Propagation = value.toLowerCase();
    },
  ],
  [
    'bind-nonrecursive',
    (mount, value, key) => {
      mount.BindOptions.NonRecursive = on(value, key);
    },
  ],
  ['bind-recursive', (mount, value) => recursive(mount, value)],
  [
    'bind-create-src',
    (mount, value, key) => {
      mount.BindOptions.CreateMountpoint = on(value, key);
    },
  ],
  [
    'volume-subpath',
    (mount, value) => {
      mount.VolumeOptions.Subpath = value;
    },
  ],
  [
    'volume-nocopy',
    (mount, value, key) => {
      mount.VolumeOptions.NoCopy = on(value, key);
    },
  ],
  [
    'volume-label',
    (mount, value) => {
      mount.VolumeOptions.Labels ??= {};
      pair(mount.VolumeOptions.Labels, value);
    },
  ],
  [
    'volume-driver',
    (mount, value) => {
      mount.VolumeOptions.DriverConfig = { ...mount.VolumeOptions.DriverConfig, Name: value };
    },
  ],
  [
    'volume-opt',
    (mount, value) => {
      mount.VolumeOptions.DriverConfig ??= {};
      mount.VolumeOptions.DriverConfig.Options ??= {};
      pair(mount.VolumeOptions.DriverConfig.Options, value);
    },
  ],
  [
    'image-subpath',
    (mount, value) => {
      mount.ImageOptions.Subpath = value;
    },
  ],
  [
    'tmpfs-size',
    (mount, value, key) => {
      try {
        mount.TmpfsOptions.SizeBytes = parseBytes(value);
      } catch {
        throw new Error(`invalid value for ${key}: ${value}`);
      }
    },
  ],
  [
    'tmpfs-mode',
    (mount, value, key) => {
      if (!/^[0-7]+$/.test(value)) throw new Error(`invalid value for ${key}: ${value}`);
      mount.TmpfsOptions.Mode = Number.parseInt(value, 8);
    },
  ],
]);

function recursive(mount: Draft, value: string): void {
  switch (value) {
    case 'enabled':
      return;
    case 'disabled':
      mount.BindOptions.NonRecursive = true;
      return;
    case 'writable':
      mount.BindOptions.ReadOnlyNonRecursive = true;
      return;
    case 'readonly':
      mount.BindOptions.ReadOnlyForceRecursive = true;
      return;
    default:
      throw new Error(
        `invalid value for bind-recursive: ${value} (must be "enabled", "disabled", "writable", or "readonly")`,
      );
  }
}

function refuseWritable({ ReadOnly, BindOptions: bind }: Draft): void {
  const needs = (option: string, what: string): Error =>
    new Error(`option 'bind-recursive=${option}' requires '${what}' to be specified in conjunction`);
  if (bind.ReadOnlyNonRecursive && !ReadOnly) throw needs('writable', 'readonly');
  if (!bind.ReadOnlyForceRecursive) return;
  if (!ReadOnly) throw needs('readonly', 'readonly');
  if (bind.Propagation !== 'rprivate') throw needs('readonly', 'bind-propagation=rprivate');
}

/** Keys that may stand without a value. */
const SWITCHES = new Set(['readonly', 'ro', 'volume-nocopy', 'bind-nonrecursive', 'bind-create-src']);

/** Reads the comma separated keys of `--mount`. @throws Error with Docker's wording */
export function parseMount(text: string): MountRequest {
  const mount: Draft = {
    Type: 'volume',
    Target: '',
    BindOptions: {},
    VolumeOptions: {},
    TmpfsOptions: {},
    ImageOptions: {},
  };
  for (const field of splitCsv(text)) {
    const equals = field.indexOf('=');
    const key = (equals < 0 ? field : field.slice(0, equals)).toLowerCase();
    const setter = setters.get(key);
    if (equals < 0 && !SWITCHES.has(key)) throw new Error(`invalid field '${field}' must be a key=value pair`);
    if (!setter) throw new Error(`unexpected key '${key}' in '${field}'`);
    setter(mount, equals < 0 ? 'true' : field.slice(equals + 1), key);
  }
  const filled = (options: object, kind: string) => {
    if (Object.keys(options).length > 0 && mount.Type !== kind) {
      throw new Error(`cannot mix '${kind}-*' options with mount type '${mount.Type}'`);
    }
  };
  if (mount.Target === '') throw new Error('target is required');
  filled(mount.BindOptions, 'bind');
  filled(mount.VolumeOptions, 'volume');
  filled(mount.TmpfsOptions, 'tmpfs');
  filled(mount.ImageOptions, 'image');
  if (mount.Type === 'bind' && mount.Source && (mount.Source.startsWith('.') || !isAbsolute(mount.Source))) {
    if (mount.Source.startsWith('.')) mount.Source = resolve(mount.Source);
  }
  refuseWritable(mount);
  // Docker's client names a driver, if only an empty one, whenever it says anything about a volume.
  if (Object.keys(mount.VolumeOptions).length > 0) mount.VolumeOptions.DriverConfig ??= {};
  const kept = Object.entries(mount).filter(([, value]) => typeof value !== 'object' || Object.keys(value).length > 0);
  return Object.fromEntries(kept) as MountRequest;
}

/** One line of comma separated values, where a quoted one may hold commas. @throws Error with the words of Go's reader */
export function splitCsv(text: string): string[] {
  if (text === '') throw new Error('EOF');
  const wrong = (at: number, why: string): Error => new Error(`parse error on line 1, column ${at + 1}: ${why}`);
  const fields: string[] = [];
  for (let at = 0; at <= text.length; ) {
    if (text[at] !== '"') {
      const comma = text.indexOf(',', at);
      const end = comma < 0 ? text.length : comma;
      const quote = text.indexOf('"', at);
      if (quote >= 0 && quote < end) throw wrong(quote, 'bare " in non-quoted-field');
      fields.push(text.slice(at, end));
      at = end + 1;
      continue;
    }
    let end = text.indexOf('"', at + 1);
    while (end >= 0 && text[end + 1] === '"') end = text.indexOf('"', end + 2);
    const follows = text[end + 1];
    if (end < 0 || (follows !== undefined && follows !== ',')) {
      throw wrong(end < 0 ? text.length : end, 'extraneous or missing " in quoted-field');
    }
    fields.push(text.slice(at + 1, end).replaceAll('""', '"'));
    at = end + 2;
  }
  return fields;
}
