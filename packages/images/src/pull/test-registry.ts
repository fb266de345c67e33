import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { digestOf, MediaType } from '@gantry/oci';
import { endOfArchive, paddingAfter, plainHeader } from '../tar/writer.ts';

type Answer = (request: IncomingMessage, response: ServerResponse) => boolean;

export type Blob = { readonly mediaType: string; readonly digest: string; readonly size: number };

/** A registry for tests that does what it is told: it serves what was put, unless `intercept` answers first. */
export class TestRegistry implements AsyncDisposable {
  readonly blobs = new Map<string, Buffer>();
  /** By `NAME:TAG` or `NAME@DIGEST`. */
  readonly manifests = new Map<string, { readonly bytes: Buffer; readonly mediaType: string }>();
  readonly requests: string[] = [];
  /** Whether it has the API of referrers; one without answers as for any address that it does not know. */
  hasReferrers = true;
  /** Returns true when it has answered. */
  intercept: Answer = () => false;
  /** Uploads that stand open, with what has come of them; a connection that breaks leaves that as it is. */
  readonly uploads = new Map<string, Buffer>();
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    server.on('request', (request, response) => this.#answer(request, response));
  }

  static async start(): Promise<TestRegistry> {
    const server = createServer();
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    return new TestRegistry(server);
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  putBlob(bytes: Buffer, mediaType: string): Blob {
    this.blobs.set(digestOf(bytes), bytes);
    return { mediaType, digest: digestOf(bytes), size: bytes.length };
  }

  putManifest(name: string, tag: string, document: object, mediaType: string): Blob {
    const bytes = Buffer.from(JSON.stringify(document));
    this.manifests.set(`${name}:${tag}`, { bytes, mediaType });
    this.manifests.set(`${name}@${digestOf(bytes)}`, { bytes, mediaType });
    return { mediaType, digest: digestOf(bytes), size: bytes.length };
  }

  /** An image of gzip layers, one a text, or an archive as it is. */
  putImage(
    name: string,
    tag: string,
    texts: readonly (string | Buffer)[],
    architecture = 'amd64',
  ): Blob & { layers: Blob[]; id: string } {
    const archives = texts.map(text => (typeof text === 'string' ? layerOf(text) : text));
    const layers = archives.map(archive => this.putBlob(gzipSync(archive), MediaType.ociLayerGzip));
    const config = Buffer.from(
      JSON.stringify({
        architecture,
        os: 'linux',
        config: {},
        rootfs: { type: 'layers', diff_ids: archives.map(digestOf) },
      }),
    );
    const manifest = {
      schemaVersion: 2,
      mediaType: MediaType.ociManifest,
      config: this.putBlob(config, MediaType.ociConfig),
      layers,
    };
    return { ...this.putManifest(name, tag, manifest, MediaType.ociManifest), layers, id: digestOf(config) };
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    this.requests.push(`${request.method} ${request.url}`);
    if (this.intercept(request, response)) return;
    if (this.#upload(request, response) || this.#listReferrers(request, response)) return;
    const [, name = '', kind, which = ''] = /^\/v2\/(.+)\/(manifests|blobs)\/([^/?]+)$/.exec(request.url ?? '') ?? [];
    if (kind === 'manifests' && request.method === 'PUT') {
      void this.#takeManifest(request, response, name, which);
      return;
    }
    if (kind === 'manifests') {
      const manifest = this.manifests.get(which.includes(':') ? `${name}@${which}` : `${name}:${which}`);
      if (!manifest) {
        refuse(response, 404, 'MANIFEST_UNKNOWN', 'manifest unknown');
        return;
      }
      response
        .setHeader('Content-Type', manifest.mediaType)
        .setHeader('Docker-Content-Digest', digestOf(manifest.bytes));
      response.end(request.method === 'HEAD' ? undefined : manifest.bytes);
      return;
    }
    const blob = this.blobs.get(which);
    if (!blob) {
      refuse(response, 404, 'BLOB_UNKNOWN', 'blob unknown to registry');
      return;
    }
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    response.writeHead(from > 0 ? 206 : 200, { 'Content-Length': blob.length - from }).end(blob.subarray(from));
  }

  async #takeManifest(request: IncomingMessage, response: ServerResponse, name: string, tag: string): Promise<void> {
    const bytes = Buffer.concat(await request.toArray());
    const manifest = { bytes, mediaType: request.headers['content-type'] ?? '' };
    if (!tag.includes(':')) this.manifests.set(`${name}:${tag}`, manifest);
    this.manifests.set(`${name}@${digestOf(bytes)}`, manifest);
    response.writeHead(201, { 'Docker-Content-Digest': digestOf(bytes) }).end();
  }

  /** Manifests with a subject, two a page. @see OCI distribution-spec 1.1, "Listing Referrers" */
  #listReferrers(request: IncomingMessage, response: ServerResponse): boolean {
    const url = new URL(request.url ?? '', `http://${this.host}`);
    const [, name, subject] = /^\/v2\/(.+)\/referrers\/([^/]+)$/.exec(url.pathname) ?? [];
    if (!this.hasReferrers || name === undefined) return false;
    const all = [...this.manifests]
      .filter(([key]) => key.startsWith(`${name}@`))
      .map(([, { bytes, mediaType }]) => ({ document: JSON.parse(bytes.toString()), bytes, mediaType }))
      .filter(({ document }) => document.subject?.digest === subject)
      .map(({ document: { artifactType, annotations }, bytes, mediaType }) => {
        return { mediaType, digest: digestOf(bytes), size: bytes.length, artifactType, annotations };
      });
    const from = Number(url.searchParams.get('from') ?? 0);
    if (from + 2 < all.length) response.setHeader('Link', `<${url.pathname}?from=${from + 2}>; rel="next"`);
    response.setHeader('Content-Type', MediaType.ociIndex);
    const manifests = all.slice(from, from + 2);
    response.end(JSON.stringify({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests }));
    return true;
  }

  /** Answers what belongs to uploads. @see OCI distribution-spec 1.1, "Push" */
  #upload(request: IncomingMessage, response: ServerResponse): boolean {
    const url = new URL(request.url ?? '', `http://${this.host}`);
    const id = /\/blobs\/uploads\/([^/]*)$/.exec(url.pathname)?.[1];
    if (id === undefined) return false;
    if (id === '') {
      const opened = `${url.pathname}${this.uploads.size + this.requests.length}`;
      this.uploads.set(opened, Buffer.alloc(0));
      response.writeHead(202, { Location: opened }).end();
      return true;
    }
    const done = this.uploads.get(url.pathname);
    if (!done) {
      refuse(response, 404, 'BLOB_UPLOAD_UNKNOWN', 'blob upload unknown to registry');
      return true;
    }
    const state = (): Record<string, string> => ({
      Location: url.pathname,
      Range: `0-${Math.max((this.uploads.get(url.pathname)?.length ?? 0) - 1, 0)}`,
    });
    const from = /^(\d+)-\d+$/.exec(String(request.headers['content-range'] ?? ''))?.[1];
    if (from !== undefined && Number(from) !== done.length) {
      response.writeHead(416, state()).end();
      return true;
    }
    request.on('data', (part: Buffer) => {
      this.uploads.set(url.pathname, Buffer.concat([this.uploads.get(url.pathname) ?? done, part]));
    });
    request.once('end', () => {
      const digest = url.searchParams.get('digest');
      const bytes = this.uploads.get(url.pathname) ?? done;
      if (request.method === 'GET') response.writeHead(204, state()).end();
      else if (request.method === 'PATCH') response.writeHead(202, state()).end();
      else {
        this.uploads.delete(url.pathname);
        if (request.method === 'DELETE') response.writeHead(204).end();
        else if (digest !== digestOf(bytes)) refuse(response, 400, 'DIGEST_INVALID', 'another digest was uploaded');
        else {
          this.blobs.set(digest, bytes);
          response.writeHead(201).end();
        }
      }
    });
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise(resolve => this.#server.close(resolve));
  }
}

export function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  response
    .writeHead(status, { 'Content-Type': 'application/json' })
    .end(JSON.stringify({ errors: [{ code, message }] }));
}

/** The archive of a layer with one file, whose name is `text`; large enough to be sent in pieces. */
export function layerOf(text: string, content = similarLines(text)): Buffer {
  const member = { name: text, type: 'file', mode: 0o644, sizeBytes: content.length, mtime: 1000 } as const;
  return Buffer.concat([plainHeader(member), content, paddingAfter(content.length), endOfArchive()]);
}

function similarLines(text: string): Buffer {
  return Buffer.from(Array.from({ length: 40_000 }, (_, i) => digestOf(`${text}${i % 700}`).slice(7, 27)).join(''));
}
