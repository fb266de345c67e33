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
  /** Returns true when it has answered. */
  intercept: Answer = () => false;
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

  /** An image of gzip layers, one a text. */
  putImage(
    name: string,
    tag: string,
    texts: readonly string[],
    architecture = 'amd64',
  ): Blob & { layers: Blob[]; id: string } {
    const archives = texts.map(text => layerOf(text));
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
    const [, name = '', kind, which = ''] = /^\/v2\/(.+)\/(manifests|blobs)\/([^/?]+)$/.exec(request.url ?? '') ?? [];
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

/** The archive of a layer with one file, whose name and content are `text`; large enough to be sent in pieces. */
export function layerOf(text: string): Buffer {
  const content = Buffer.from(
    Array.from({ length: 40_000 }, (_, i) => digestOf(`${text}${i % 700}`).slice(7, 27)).join(''),
  );
  const member = { name: text, type: 'file', mode: 0o644, sizeBytes: content.length, mtime: 1000 } as const;
  return Buffer.concat([plainHeader(member), content, paddingAfter(content.length), endOfArchive()]);
}
