export { chainIds, type Digest, digestOf, digestParts, hashFor, isDigest, parseDigest } from './digest.ts';
export {
  type ConfigCore,
  type Descriptor,
  type ImageDocument,
  type Index,
  MAX_CONFIG_BYTES,
  MAX_LAYERS,
  MAX_MANIFEST_BYTES,
  type Manifest,
  parseImageConfig,
  parseImageDocument,
  parseJson,
} from './documents.ts';
export {
  type Compression,
  isIndexType,
  isManifestType,
  layerCompression,
  MANIFEST_TYPES,
  MediaType,
} from './media-types.ts';
export {
  bestPlatform,
  formatPlatform,
  hostPlatform,
  normalisePlatform,
  type Platform,
  parsePlatform,
  platformScore,
} from './platform.ts';
export {
  type AnyReference,
  familiarName,
  familiarReference,
  formatReference,
  parseAnyReference,
  parseReference,
  type Reference,
  repositoryOf,
  withDefaultTag,
  withDigest,
  withTag,
} from './reference.ts';
export type * from './runtime-spec.ts';
export { parseSize } from './size.ts';
