import type { Readable } from 'node:stream';
import type { Descriptor, Digest, Platform } from '@gantry/oci';
import type { Explanation } from './explain/explain-task.ts';
import type { CommitOptions } from './files/commit.ts';
import type { ContainerFiles } from './files/container-files.ts';
import type { Change } from './files/layer-diff.ts';
import type { ContainerLayerOptions } from './storage/driver.ts';

export type { ExplainedFile, ExplainedLayer, Explanation } from './explain/explain-task.ts';
export type { CommitOptions } from './files/commit.ts';
export type { Change } from './files/layer-diff.ts';
export type { PathStatus } from './files/path.ts';
export type { PullTrace, SpanName, TracedPart } from './pull/trace.ts';

/** How a root file system is put together; the runtime mounts it as a detached mount. */
export type RootMount =
  | {
      readonly kind: 'overlay';
      /** Top layer first. */
      readonly lower: readonly string[];
      readonly upper: string;
      readonly work: string;
      /** Writes need not survive a power cut (the root of a --rm container). */
      readonly volatile: boolean;
    }
  | { readonly kind: 'directory'; readonly path: string };

/** How the files of an image alone are put together, to read only. */
export type ImageRoot =
  /** Top layer first; at least two. */
  | { readonly kind: 'layers'; readonly lower: readonly string[] }
  | { readonly kind: 'directory'; readonly path: string };

/** The config document of an image (OCI image configuration), as stored. */
export type ImageConfigDocument = {
  readonly architecture: string;
  readonly os: string;
  readonly variant?: string;
  readonly created?: string;
  readonly author?: string;
  readonly config?: {
    readonly User?: string;
    readonly ExposedPorts?: Readonly<Record<string, unknown>>;
    readonly Env?: readonly string[] | null;
    readonly Entrypoint?: readonly string[] | null;
    readonly Cmd?: readonly string[] | null;
    readonly Volumes?: Readonly<Record<string, unknown>> | null;
    readonly WorkingDir?: string;
    readonly Labels?: Readonly<Record<string, string>> | null;
    readonly StopSignal?: string;
    readonly Shell?: readonly string[];
    readonly OnBuild?: readonly string[] | null;
    readonly ArgsEscaped?: boolean;
    readonly Healthcheck?: unknown;
  };
  readonly rootfs: { readonly type: 'layers'; readonly diff_ids: readonly string[] };
  readonly history?: readonly {
    readonly created?: string;
    readonly created_by?: string;
    readonly author?: string;
    readonly comment?: string;
    readonly empty_layer?: boolean;
  }[];
};

export type StoredImage = {
  /** `sha256:` and 64 hex digits: the digest of the config document. */
  readonly id: string;
  readonly config: ImageConfigDocument;
  /** The config document's own bytes hash to `id`. */
  readonly configBytes: Buffer;
  /** Familiar names: `busybox:latest`, `localhost:5000/a/b:v1`. */
  readonly repoTags: readonly string[];
  /** `busybox@sha256:...`. */
  readonly repoDigests: readonly string[];
  /** Digest of the index or manifest that its names stand for; undefined when none is known (imported, committed). */
  readonly target: string | undefined;
  /** Names under which it is another platform beside the first one. */
  readonly besideNames: readonly string[];
  /** Sum of the layers' unpacked sizes. */
  readonly sizeBytes: number;
  readonly lastTaggedAtMs: number;
  readonly storedAtMs: number;
  /** When a container was last made of it, or it was last saved or pushed; 0 for never. */
  readonly lastUsedAtMs: number;
  readonly parentId: string | undefined;
};

/** One entry of an index. */
export type ImageManifest = {
  readonly descriptor: Descriptor;
  readonly kind: 'image' | 'attestation' | 'unknown';
  /** The digest that an attestation is about. */
  readonly attestationFor: string | undefined;
  /** Undefined when it is not here. */
  readonly image: StoredImage | undefined;
};

export type ImageManifests = {
  /** Undefined when no manifest is known. */
  readonly target: Descriptor | undefined;
  readonly manifests: readonly ImageManifest[];
};

export type TransferProgress = (message: {
  status?: string;
  id?: string;
  /** The bar that goes with progressDetail, as Docker draws it. */
  progress?: string;
  progressDetail?: { current?: number; total?: number };
  stream?: string;
  aux?: unknown;
}) => void;

/** GET /distribution/{name}/json. */
export type DistributionInspect = {
  readonly Descriptor: { readonly mediaType: string; readonly digest: string; readonly size: number };
  readonly Platforms: readonly { readonly architecture: string; readonly os: string; readonly variant?: string }[];
};

/** What refers to an image at its registry, and how the registry keeps that: by its API, or by a tag. */
export type ReferrersDocument = {
  readonly Subject: { readonly mediaType: string; readonly digest: string; readonly size: number };
  readonly Source: 'api' | 'tag';
  readonly Referrers: readonly Descriptor[];
};

/** How a registry is asked for a manifest. */
export type ManifestQuestion = {
  /** Certificates are not verified, and plain HTTP will do. */
  readonly isInsecure: boolean;
  readonly authorization: unknown;
};

/** A manifest or an index, as a registry has it. */
export type RegistryManifest = {
  readonly descriptor: { readonly mediaType: string; readonly digest: Digest; readonly size: number };
  /** What its configuration says; undefined for an index. */
  readonly platform:
    | {
        readonly architecture: string;
        readonly os: string;
        readonly 'os.version'?: string;
        readonly 'os.features'?: readonly string[];
        readonly variant?: string;
      }
    | undefined;
  readonly bytes: Buffer;
};

/** A manifest or an index for a registry. */
export type ManifestUpload = ManifestQuestion & {
  readonly mediaType: string;
  readonly bytes: Buffer;
  /** The repository of the same registry that has the blobs, where it is not the target's own: they are mounted. */
  readonly from: string | undefined;
};

/** What a web server answers. */
export type Download = {
  readonly status: number;
  readonly statusText: string;
  /** 0 when the server does not say. */
  readonly sizeBytes: number;
  readonly body: Readable;
};

/** A row of GET /images/search. */
export type SearchResult = {
  readonly star_count: number;
  readonly is_official: boolean;
  readonly name: string;
  readonly is_automated: boolean;
  readonly description: string;
};

/** What registries are asked that is no transfer. `authorization` is what a client sends as X-Registry-Auth, decoded. */
export interface Registries {
  /** Checks credentials; returns the identity token to keep instead of a password, or an empty text. */
  login(authorization: unknown, signal: AbortSignal): Promise<string>;
  inspect(reference: string, authorization: unknown, signal: AbortSignal): Promise<DistributionInspect>;
  /** Signatures, lists of contents and the like that refer to an image; of one type unless that is empty. */
  referrers(
    reference: string,
    artifactType: string,
    authorization: unknown,
    signal: AbortSignal,
  ): Promise<ReferrersDocument>;
  search(term: string, limit: number, authorization: unknown, signal: AbortSignal): Promise<SearchResult[]>;
  /** Opens what a URL of HTTP names, through the same proxies. */
  download(url: URL, signal: AbortSignal): Promise<Download>;
  /** One manifest or index, without what it names. */
  manifest(reference: string, question: ManifestQuestion, signal: AbortSignal): Promise<RegistryManifest>;
  /** Stores a manifest or an index under the tag or the digest of `reference`; answers with its digest. */
  putManifest(reference: string, upload: ManifestUpload, signal: AbortSignal): Promise<Digest>;
  /** All tags of a repository. */
  tags(repository: string, authorization: unknown, signal: AbortSignal): Promise<string[]>;
  /** Registries that have mirrors by a hosts.toml. */
  configured(): Promise<readonly { readonly name: string; readonly mirrors: readonly string[] }[]>;
}

/** The local images and the writable layers of containers. */
export interface ImageStore extends AsyncDisposable {
  readonly registries: Registries;
  /** The storage driver's name, as `overlay2`. */
  readonly driver: string;
  /** Rows of `info`'s DriverStatus. */
  driverStatus(): readonly (readonly [string, string])[];
  list(): readonly StoredImage[];
  /**
   * By name, id or id prefix, as Docker resolves it; of a name with several platforms the one for this machine, or for `platform`.
   * @throws notFound `No such image: NAME`
   */
  get(ref: string, platform?: Platform): StoredImage;
  /** What an image's names stand for: the index or manifest, and each image in it, whether it is here or not. */
  manifests(imageId: string): ImageManifests;
  /** Gives what `source` (a name or an id) stands for, with all its platforms, one more name. */
  tag(source: string, reference: string): Promise<void>;
  /** Removes one name. Returns the images of other platforms that have no name any more. */
  untag(reference: string): Promise<readonly string[]>;
  /** Takes an image out of every name that has other platforms too. */
  leavePlatforms(imageId: string): Promise<void>;
  /** Notes that an image was used now. */
  noteUsed(imageId: string): void;
  /** Removes an image without names, and its layers that nothing else uses. */
  delete(imageId: string, options: { readonly noPrune: boolean }): Promise<readonly string[]>;
  /** @param options `explain` asks for a last aux message `{ PullTrace }`, `isOneOfMany` leaves the final status to the caller */
  pull(
    reference: string,
    options: {
      readonly platform: string | undefined;
      readonly authorization: unknown;
      readonly explain?: boolean;
      readonly isOneOfMany?: boolean;
    },
    progress: TransferProgress,
    signal: AbortSignal,
  ): Promise<StoredImage>;
  /** Pushes one tag, or every tag of a repository when `reference` has none. */
  push(
    reference: string,
    options: { readonly platform: string | undefined; readonly authorization: unknown },
    progress: TransferProgress,
    signal: AbortSignal,
  ): Promise<void>;
  /** Loads all images of an archive, or of these platforms alone. */
  load(
    archive: Readable,
    options: { readonly platforms: readonly Platform[] },
    progress: TransferProgress,
    signal: AbortSignal,
  ): Promise<readonly string[]>;
  import(
    source: Readable,
    options: {
      readonly reference: string | undefined;
      readonly message: string;
      readonly config: ImageConfigDocument['config'];
      readonly platform: string | undefined;
    },
    signal: AbortSignal,
  ): Promise<StoredImage>;
  /** An archive of images with all their platforms, or with these alone. */
  save(
    refs: readonly string[],
    options: { readonly platforms: readonly Platform[] },
    signal: AbortSignal,
  ): Promise<Readable>;
  /** Makes the writable layer of a container on top of an image. */
  createContainerLayer(containerId: string, imageId: string, options: ContainerLayerOptions): Promise<void>;
  containerRoot(containerId: string): RootMount;
  /** The files of an image alone, to read only. */
  imageRoot(imageId: string): ImageRoot;
  /** The root without its writable layer's durability promise; empty for drivers that need none. GraphDriver.Data of inspect. */
  graphDriverData(containerId: string): Record<string, string>;
  /** Renames the layer to the trash at once; its bytes go afterwards. */
  removeContainerLayer(containerId: string): Promise<void>;
  /** Container layers that exist; the engine removes those it does not know. */
  containerLayers(): readonly string[];
  /** Bytes of a container's writable layer, without what the engine made at the paths of `own`. */
  containerLayerSize(containerId: string, own?: readonly string[]): Promise<number>;
  /** What a container has changed, by path; `own` are paths that the engine makes in every container, without a leading slash. */
  containerChanges(containerId: string, own: readonly string[]): Promise<readonly Change[]>;
  /** Makes an image of a container, without a name. Nothing of it remains when it fails. */
  commit(containerId: string, options: CommitOptions, signal: AbortSignal): Promise<StoredImage>;
  /** Files of containers, below the descriptor of a root. */
  readonly files: ContainerFiles;
  /** GraphDriver.Data of an image's inspect. */
  imageGraphDriverData(imageId: string): Record<string, string>;
  /** The layers of an image, bottom first. */
  layers(imageId: string): readonly { readonly chainId: string; readonly diffId: string; readonly sizeBytes: number }[];
  /** What the layers of an image store, what hides what, and what is there twice; lists name `limit` files each. */
  explain(imageId: string, limit: number, signal: AbortSignal): Promise<Explanation>;
  /** Digests of compressed blobs beside layers that may be replaced by something smaller that they can be made from. */
  blobsToCondense(): Promise<readonly Digest[]>;
  /** Does so, in idle time: seconds for a large blob. Nothing when its layer is gone. @throws cancelled */
  condense(digest: Digest, signal: AbortSignal): Promise<void>;
  /** Bytes of all layers on disk, each once: LayersSize of `system df`. */
  layersSize(): number;
  /** Loads an archive that was never loaded into this store before; returns whether it was. See seedImages. */
  seed(archivePath: string): Promise<boolean>;
  /** Resolves when nothing is being removed in the background. */
  settled(): Promise<void>;
}
