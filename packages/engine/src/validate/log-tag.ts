import type { GantryError } from '@gantry/errors';
import { compileTemplate, Struct, TemplateError } from '@gantry/template';

/** What the lines of a container's log may tell of it. */
export type LogSubject = {
  readonly id: string;
  /** Without a leading slash. */
  readonly name: string;
  readonly imageId: string;
  readonly imageName: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly env: readonly string[];
  /** Its program, then the arguments. */
  readonly commandLine: readonly string[];
  /** Nanoseconds since the epoch. */
  readonly createdNs: bigint;
  /** Of the daemon. */
  readonly hostname: string;
};

/**
 * The option `tag`, a template about the container, filled in.
 * @throws what `failed` makes of dockerd's message about a template that has no meaning
 * @see docs.docker.com, "Customize log driver output"
 */
export function logTag(
  options: Readonly<Record<string, string>>,
  subject: LogSubject,
  logPath: string,
  failed: (reason: string) => GantryError,
): string {
  try {
    const template = compileTemplate(options.tag ?? '', { name: 'log-tag' });
    return template(logInfo(options, subject, logPath), { typeName: '*logger.Info' });
  } catch (error) {
    if (error instanceof TemplateError) throw failed(error.message);
    throw error;
  }
}

/** The fields and methods of the value that dockerd gives to the template. */
function logInfo(options: Readonly<Record<string, string>>, subject: LogSubject, logPath: string): Struct {
  const { id, name, imageId, imageName } = subject;
  const [entrypoint = '', ...args] = subject.commandLine;
  return new Struct({
    Config: options,
    ContainerID: id,
    ContainerName: `/${name}`,
    ContainerEntrypoint: entrypoint,
    ContainerArgs: args,
    ContainerImageID: imageId,
    ContainerImageName: imageName,
    ContainerCreated: goTime(subject.createdNs),
    ContainerEnv: subject.env,
    ContainerLabels: subject.labels,
    LogPath: logPath,
    DaemonName: 'docker',
    ID: () => id.slice(0, 12),
    FullID: () => id,
    Name: () => name,
    // As dockerd cuts it, with the name of the hash.
    ImageID: () => imageId.slice(0, 12),
    ImageFullID: () => imageId,
    ImageName: () => imageName,
    Command: () => subject.commandLine.join(' '),
    Hostname: () => subject.hostname,
  });
}

/** A time as Go prints it, `2026-11-27 14:30:47.94 +0000 UTC`. */
function goTime(ns: bigint): string {
  const seconds = new Date(Number(ns / 1_000_000_000n) * 1000).toISOString().slice(0, 19).replace('T', ' ');
  const fraction = String(ns % 1_000_000_000n)
    .padStart(9, '0')
    .replace(/0+$/, '');
  return `${seconds}${fraction && `.${fraction}`} +0000 UTC`;
}
