import type { Migration } from '@gantry/store';

/** The tables of the room `images`; see docs/storage.md. Every row belongs to one storage driver. */
export const IMAGES: Migration = {
  room: 'images',
  statements: [
    `
    CREATE TABLE images (
      driver TEXT NOT NULL,
      id TEXT NOT NULL,
      parent_id TEXT,
      size_bytes INTEGER NOT NULL,
      stored_at_ms INTEGER NOT NULL,
      last_tagged_at_ms INTEGER NOT NULL,
      PRIMARY KEY (driver, id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX images_by_parent ON images (driver, parent_id);

    CREATE TABLE image_names (
      driver TEXT NOT NULL,
      name TEXT NOT NULL,
      kind TEXT NOT NULL CHECK (kind IN ('tag', 'digest')),
      image_id TEXT NOT NULL,
      PRIMARY KEY (driver, name),
      FOREIGN KEY (driver, image_id) REFERENCES images (driver, id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX image_names_by_image ON image_names (driver, image_id);

    CREATE TABLE layers (
      driver TEXT NOT NULL,
      key TEXT NOT NULL,
      folder TEXT NOT NULL,
      diff_id TEXT NOT NULL,
      size_bytes INTEGER NOT NULL,
      archive_bytes INTEGER NOT NULL,
      PRIMARY KEY (driver, key)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX layers_by_diff ON layers (driver, diff_id);

    CREATE TABLE image_layers (
      driver TEXT NOT NULL,
      image_id TEXT NOT NULL,
      position INTEGER NOT NULL,
      chain_id TEXT NOT NULL,
      layer_key TEXT NOT NULL,
      PRIMARY KEY (driver, image_id, position),
      FOREIGN KEY (driver, image_id) REFERENCES images (driver, id) ON DELETE CASCADE,
      FOREIGN KEY (driver, layer_key) REFERENCES layers (driver, key)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX image_layers_by_layer ON image_layers (driver, layer_key);
    CREATE INDEX image_layers_by_chain ON image_layers (driver, chain_id);

    CREATE TABLE image_manifests (
      driver TEXT NOT NULL,
      image_id TEXT NOT NULL,
      digest TEXT NOT NULL,
      media_type TEXT NOT NULL,
      PRIMARY KEY (driver, image_id, digest),
      FOREIGN KEY (driver, image_id) REFERENCES images (driver, id) ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE layer_blobs (
      diff_id TEXT NOT NULL,
      digest TEXT NOT NULL,
      media_type TEXT NOT NULL,
      size_bytes INTEGER NOT NULL,
      repository TEXT NOT NULL,
      PRIMARY KEY (diff_id, digest, repository)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX layer_blobs_by_digest ON layer_blobs (digest);

    CREATE TABLE image_seeds (
      driver TEXT NOT NULL,
      archive TEXT NOT NULL,
      digest TEXT NOT NULL,
      PRIMARY KEY (driver, archive)
    ) STRICT, WITHOUT ROWID;
    `,
    // What a name stands for beyond one image: the index that it was pulled or loaded as, and that index's other platforms.
    `
    ALTER TABLE image_names ADD COLUMN target TEXT;
    CREATE TABLE name_platforms (
      driver TEXT NOT NULL,
      name TEXT NOT NULL,
      image_id TEXT NOT NULL,
      PRIMARY KEY (driver, name, image_id),
      FOREIGN KEY (driver, name) REFERENCES image_names (driver, name) ON DELETE CASCADE,
      FOREIGN KEY (driver, image_id) REFERENCES images (driver, id) ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX name_platforms_by_image ON name_platforms (driver, image_id);

    CREATE INDEX image_manifests_by_digest ON image_manifests (driver, digest);
    ALTER TABLE images ADD COLUMN last_used_at_ms INTEGER NOT NULL DEFAULT 0;
    `,
    // The compressed blob that lies beside a layer's tree.
    'ALTER TABLE layers ADD COLUMN kept_blob TEXT;',
  ],
};
