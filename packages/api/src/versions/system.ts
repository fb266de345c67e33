import type { ImageSummary } from '@gantry/engine';
import type { ApiVersion } from '../http/version.ts';

type Document = Record<string, unknown>;

/** `GET /info` as older clients know it. */
export function infoFor(version: ApiVersion, newest: Readonly<Document>): Document {
  const info: Document = { ...newest };
  if (version < 25 && Array.isArray(info.SecurityOptions)) {
    info.SecurityOptions = info.SecurityOptions.map(
      option => /(?:^|,)name=([^,]*)/.exec(String(option))?.[1] ?? option,
    );
  }
  if (version < 44) {
    info.Runtimes = Object.fromEntries(
      Object.entries(objectOf(info.Runtimes)).map(([name, runtime]) => {
        const { status: _, ...rest } = objectOf(runtime);
        return [name, rest];
      }),
    );
  }
  if (version < 46) delete info.Containerd;
  if (version < 47) {
    info.RegistryConfig = {
      ...objectOf(info.RegistryConfig),
      AllowNondistributableArtifactsCIDRs: null,
      AllowNondistributableArtifactsHostnames: null,
    };
  }
  if (version < 49) {
    delete info.FirewallBackend;
    for (const key of ['ContainerdCommit', 'RuncCommit', 'InitCommit']) {
      const commit = objectOf(info[key]);
      if (commit.ID) info[key] = { ...commit, Expected: commit.ID };
    }
  }
  if (version < 50) {
    delete info.DiscoveredDevices;
    info.BridgeNfIptables = false;
    info.BridgeNfIp6tables = false;
  }
  if (version < 42) info.KernelMemory ??= false;
  return info;
}

/** `GET /system/df` as older clients know it. */
export function diskUsageFor(version: ApiVersion, newest: Readonly<Document>): Document {
  if (version >= 44 || !Array.isArray(newest.Images)) return { ...newest };
  return { ...newest, Images: newest.Images.map((image: ImageSummary) => ({ ...image, VirtualSize: image.Size })) };
}

function objectOf(value: unknown): Document {
  return typeof value === 'object' && value !== null ? (value as Document) : {};
}
