import { ExitError } from '../errors.ts';

export type ManifestPlatform = {
  readonly architecture: string;
  readonly os: string;
  readonly 'os.version'?: string;
  readonly 'os.features'?: readonly string[];
  readonly variant?: string;
};

/** A manifest that is, or may become, part of a list. */
export type LocalManifest = {
  /** The whole reference, `docker.io/library/busybox:latest`. */
  readonly ref: string;
  readonly descriptor: {
    readonly mediaType: string;
    readonly digest: string;
    readonly size: number;
    readonly platform?: ManifestPlatform;
  };
  /** The document as the registry has it; undefined in files of Docker clients before 23. */
  readonly text: string | undefined;
  /** The document, whatever its white space. */
  readonly document: unknown;
};

const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

/** Which member of Docker's file holds a document of this type. */
const memberOf = (mediaType: string): 'OCIManifest' | 'SchemaV2Manifest' =>
  mediaType === OCI_MANIFEST ? 'OCIManifest' : 'SchemaV2Manifest';

/** Takes a manifest as a registry has it. */
export function localManifest(ref: string, descriptor: LocalManifest['descriptor'], text: string): LocalManifest {
  return { ref, descriptor, text, document: JSON.parse(text) };
}

/**
 * Writes a manifest as Docker's client keeps and shows it.
 * @see docker/cli, cli/manifest/types: ImageManifest
 */
export function formatLocalManifest({ ref, descriptor, text, document }: LocalManifest): string {
  const { mediaType, digest, size, platform } = descriptor;
  return JSON.stringify({
    Ref: ref,
    Descriptor: { mediaType, digest, size, ...(platform ? { platform: inOrder(platform) } : {}) },
    ...(text === undefined ? {} : { Raw: Buffer.from(text).toString('base64') }),
    [memberOf(mediaType)]: document,
  });
}

/** A platform with its members in Docker's order. */
export function inOrder(platform: ManifestPlatform): ManifestPlatform {
  const { architecture, os, variant } = platform;
  const [version, features] = [platform['os.version'], platform['os.features']];
  return {
    architecture,
    os,
    ...(version ? { 'os.version': version } : {}),
    ...(features && features.length > 0 ? { 'os.features': features } : {}),
    ...(variant ? { variant } : {}),
  };
}

/** Reads what {@link formatLocalManifest} or Docker's client wrote. @throws ExitError naming the file */
export function parseLocalManifest(file: string, path: string): LocalManifest {
  try {
    const { Ref, Descriptor, Raw, SchemaV2Manifest, OCIManifest } = JSON.parse(file) as Readonly<
      Record<string, unknown>
    >;
    const document = OCIManifest ?? SchemaV2Manifest;
    if (typeof Ref !== 'string' || typeof Descriptor !== 'object' || Descriptor === null || document === undefined) {
      throw new Error('this is no manifest of a local list');
    }
    return {
      ref: Ref,
      descriptor: Descriptor as LocalManifest['descriptor'],
      text: typeof Raw === 'string' ? Buffer.from(Raw, 'base64').toString() : undefined,
      document,
    };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ExitError(1, `${path}: ${why}: remove the list with 'gantry manifest rm', and create it again`);
  }
}

/** The document as it goes to a registry; where its text was not kept, as the tools that write that type indent it. */
export function documentText({ descriptor, text, document }: LocalManifest): string {
  return text ?? JSON.stringify(document, undefined, memberOf(descriptor.mediaType) === 'OCIManifest' ? 2 : 3);
}
