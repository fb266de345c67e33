import type { ImageInspect, ImageSummary } from '@gantry/engine';
import { containerConfig } from '../documents/container-config.ts';
import type { ApiVersion } from '../http/version.ts';
import { zeroOf } from '../json/decode.ts';

/** A row of `GET /images/json` as older clients know it. */
export function imageSummaryFor(version: ApiVersion, image: ImageSummary): object {
  if (version >= 51) return image;
  const { Descriptor, Manifests, ...rest } = image;
  return {
    ...rest,
    ...(version >= 48 && Descriptor ? { Descriptor } : {}),
    ...(version >= 47 && Manifests ? { Manifests } : {}),
    ...(version < 43 ? namesBefore43(image) : {}),
    ...(version < 44 ? { VirtualSize: image.Size } : {}),
    // Counted since API 1.51.
    Containers: -1,
  };
}

/** Lists of names were null when empty, and an image without any had a placeholder in each. */
function namesBefore43({ RepoTags, RepoDigests }: ImageSummary): object {
  if (RepoTags.length === 0 && RepoDigests.length === 0) {
    return { RepoTags: ['<none>:<none>'], RepoDigests: ['<none>@<none>'] };
  }
  const nullable = (names: readonly string[]): readonly string[] | null => (names.length === 0 ? null : names);
  return { RepoTags: nullable(RepoTags), RepoDigests: nullable(RepoDigests) };
}

/** Fields of an image's configuration that are always there, and those that were until API 1.50. */
const current = {
  Cmd: null,
  Entrypoint: null,
  Env: null,
  Labels: null,
  OnBuild: null,
  User: '',
  Volumes: null,
  WorkingDir: '',
};
const until49 = {
  ...current,
  AttachStderr: false,
  AttachStdin: false,
  AttachStdout: false,
  Domainname: '',
  Hostname: '',
  Image: '',
  OpenStdin: false,
  StdinOnce: false,
  Tty: false,
};

/** `GET /images/{name}/json` as older clients know it. */
export function imageInspectFor(version: ApiVersion, image: ImageInspect): object {
  const Config = sorted({ ...(version < 50 ? until49 : current), ...image.Config });
  const { Descriptor, ...rest } = image;
  const described = version >= 48 && Descriptor ? { ...rest, Descriptor } : rest;
  const document = { ...described, RepoTags: image.RepoTags ?? [], RepoDigests: image.RepoDigests ?? [], Config };
  if (version >= 45) return document;
  return {
    ...document,
    ...(version < 44 ? { Created: image.Created || '0001-01-01T00:00:00Z', VirtualSize: image.Size } : {}),
    ContainerConfig: zeroOf(containerConfig),
  };
}

function sorted(document: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(document).sort(([left], [right]) => (left < right ? -1 : 1)));
}
