import { invalidParameter, notImplemented } from '@gantry/errors';

const KNOWN = ['type', 'o', 'device', 'size'];
const NEEDS: Readonly<Record<string, readonly string[]>> = {
  device: ['type'],
  type: ['device'],
  o: ['device', 'type'],
};

/**
 * Checks the driver options of a local volume. A directory of the host (`type=none`, `o=bind`, `device=/path`) is
 * supported; other file systems are not built yet.
 * @throws invalidParameter with dockerd's text, notImplemented for other mounts and quotas
 */
export function checkDriverOptions(name: string, options: Readonly<Record<string, string>>): void {
  const keys = Object.keys(options);
  const unknown = keys.find(key => !KNOWN.includes(key));
  if (unknown !== undefined) throw invalidParameter(`create ${name}: invalid option: ${JSON.stringify(unknown)}`);
  if (options.size !== undefined && options.size !== '0') {
    throw invalidParameter(`create ${name}: quota size requested but no quota support`);
  }
  for (const key of keys) {
    const missing = NEEDS[key]?.find(other => options[other] === undefined);
    if (missing !== undefined) {
      throw invalidParameter(`create ${name}: missing required option: ${JSON.stringify(missing)}`);
    }
  }
  if (options.device === undefined) return;
  const mountOptions = (options.o ?? '').split(',');
  const isBind = mountOptions.includes('bind') || mountOptions.includes('rbind');
  const rest = mountOptions.filter(option => option !== 'bind' && option !== 'rbind' && option !== '');
  if (!isBind || rest.length > 0 || !options.device.startsWith('/')) {
    throw notImplemented(
      `create ${name}: volumes of type ${JSON.stringify(options.type ?? '')} with options ${JSON.stringify(options.o ?? '')} are not built yet`,
      { hint: 'type=none, o=bind and an absolute device=/path mount a directory of the host' },
    );
  }
}

/** The directory that a volume with `o=bind` shows, undefined for a volume with its own. */
export function boundDirectory(options: Readonly<Record<string, string>>): string | undefined {
  return options.device;
}
