import type { ContainerConfig } from './container.ts';

export type ImageInspect = {
  Id: string;
  RepoTags: string[];
  RepoDigests: string[];
  Parent: string;
  Comment: string;
  Created?: string;
  DockerVersion: string;
  Author: string;
  Config: Partial<ContainerConfig> | null;
  Architecture: string;
  Variant?: string;
  Os: string;
  OsVersion?: string;
  Size: number;
  VirtualSize?: number;
  GraphDriver: { Data: Record<string, string> | null; Name: string };
  RootFS: { Type: string; Layers?: string[] };
  Metadata: { LastTagTime: string };
  /** What the names stand for; absent when no manifest is known. */
  Descriptor?: DescriptorDocument;
  Manifests?: ImageManifestSummary[];
};

export type DescriptorDocument = {
  mediaType: string;
  digest: string;
  size: number;
  urls?: string[];
  annotations?: Record<string, string>;
  platform?: PlatformDocument;
};

export type PlatformDocument = { architecture: string; os: string; 'os.version'?: string; variant?: string };

/** One entry of an image's index. */
export type ImageManifestSummary = {
  ID: string;
  Descriptor: DescriptorDocument;
  Available: boolean;
  Size: { Content: number; Total: number };
  Kind: 'image' | 'attestation' | 'unknown';
  ImageData?: { Platform: PlatformDocument; Size: { Unpacked: number }; Containers: string[] };
  AttestationData?: { For: string };
};

export type ImageSummary = {
  Id: string;
  ParentId: string;
  RepoTags: string[];
  RepoDigests: string[];
  Created: number;
  Size: number;
  SharedSize: number;
  Labels: Record<string, string> | null;
  Containers: number;
  Descriptor?: DescriptorDocument;
  Manifests?: ImageManifestSummary[];
};

export type ImageHistoryItem = {
  Id: string;
  Created: number;
  CreatedBy: string;
  Tags: string[] | null;
  Size: number;
  Comment: string;
};

export type ImageDeleteItem = { Untagged: string } | { Deleted: string };
