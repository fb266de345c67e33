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

/** A manifest or an index, as a registry has it. */
export type RegistryManifestDocument = {
  /** Its platform is what the image's configuration says; an index has none. */
  Descriptor: Pick<DescriptorDocument, 'mediaType' | 'digest' | 'size' | 'platform'>;
  /** The document itself, in base64. */
  Raw: string;
};

export type DescriptorDocument = {
  mediaType: string;
  digest: string;
  size: number;
  urls?: string[];
  annotations?: Record<string, string>;
  platform?: PlatformDocument;
};

export type PlatformDocument = {
  architecture: string;
  os: string;
  'os.version'?: string;
  'os.features'?: readonly string[];
  variant?: string;
};

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

/** `GET /gantry/images/{name}/explain`. Layers count from 0 at the bottom. */
export type ImageExplanation = {
  Id: string;
  RepoTags: string[];
  /** Bytes of all files of all layers. */
  Size: number;
  /** Bytes that a container sees. */
  Visible: number;
  /** Bytes of lower layers that upper ones overwrite or remove. */
  Hidden: number;
  /** Bytes of visible files whose content is there once more. */
  Duplicate: number;
  /** Bytes of visible files that are not needed at run time, as caches and manuals. */
  Droppable: number;
  /** What would be left without all of that. */
  Least: number;
  /** The instructions, oldest first. */
  Steps: {
    CreatedBy: string;
    Created: string;
    /** Undefined for an instruction that made no layer. */
    Layer?: number;
    DiffId?: string;
    Files: number;
    Size: number;
    /** Bytes of it that later layers hide. */
    Hidden: number;
    /** Bytes of earlier layers that it hides. */
    Hides: number;
  }[];
  LargestFiles: ExplainedFileDocument[];
  HiddenFiles: (ExplainedFileDocument & { By: number; How: 'overwritten' | 'removed' })[];
  DuplicateFiles: { Size: number; Files: ExplainedFileDocument[] }[];
  DroppableFiles: { What: string; Remedy: string; Size: number; Files: number }[];
};

export type ExplainedFileDocument = { Path: string; Layer: number; Size: number };

export type ImageDeleteItem = { Untagged: string } | { Deleted: string };
