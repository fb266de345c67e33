import { spawn } from 'node:child_process';
import { createReadStream, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { sha256, type TestImage } from './test-images.ts';

export type BenchRegistry = AsyncDisposable & {
  /** `127.0.0.1:PORT`, which both engines take for insecure. */
  readonly host: string;
  /** Stores an image as `NAME:latest`. */
  readonly put: (image: TestImage) => Promise<void>;
};

/** Starts Debian's docker-registry on the loopback with a store of its own. @throws where it is not installed */
export async function startBenchRegistry(): Promise<BenchRegistry> {
  const places = [...(process.env.PATH ?? '').split(delimiter), join(import.meta.dirname, '../.gantry/tools/usr/bin')];
  const program = places.map(place => join(place, 'docker-registry')).find(path => existsSync(path));
  if (program === undefined) throw new Error('these rows need docker-registry: apt-get install docker-registry');
  const root = mkdtempSync(join(tmpdir(), 'gantry-bench-registry-'));
  const host = `127.0.0.1:${await freePort()}`;
  const config = {
    version: 0.1,
    log: { level: 'error', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(root, 'data') } },
    http: { addr: host },
  };
  writeFileSync(join(root, 'config.yml'), JSON.stringify(config));
  const child = spawn(program, ['serve', join(root, 'config.yml')], { stdio: 'ignore' });
  const ended = new Promise(done => child.once('exit', done));
  const deadlineMs = performance.now() + 20_000;
  while ((await send(host, 'GET', '/v2/').catch(() => undefined))?.status !== 200) {
    if (child.exitCode !== null || performance.now() > deadlineMs) throw new Error('the registry did not come up');
    await delay(10);
  }
  return {
    host,
    async put(image) {
      const config = readFileSync(image.configPath);
      await upload(host, image.name, sha256(config), image.configPath, config.length);
      for (const { path, digest, sizeBytes } of image.layers) await upload(host, image.name, digest, path, sizeBytes);
      const type = 'application/vnd.docker.distribution.manifest.v2+json';
      await expect(
        201,
        send(host, 'PUT', `/v2/${image.name}/manifests/latest`, { 'Content-Type': type }, image.manifestPath),
      );
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
      rmSync(root, { recursive: true, force: true });
    },
  };
}

async function upload(host: string, name: string, digest: string, path: string, sizeBytes: number): Promise<void> {
  const { location } = await expect(202, send(host, 'POST', `/v2/${name}/blobs/uploads/`));
  const target = new URL(location, `http://${host}`);
  target.searchParams.set('digest', digest);
  const headers = { 'Content-Type': 'application/octet-stream', 'Content-Length': String(sizeBytes) };
  await expect(201, send(host, 'PUT', target.pathname + target.search, headers, path));
}

type Answer = { readonly status: number; readonly location: string };

async function expect(status: number, answer: Promise<Answer>): Promise<Answer> {
  const answered = await answer;
  if (answered.status !== status) throw new Error(`the registry answered ${answered.status} instead of ${status}`);
  return answered;
}

function send(
  host: string,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  bodyPath?: string,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(`http://${host}${path}`, { method, headers, agent: false }, answer => {
      answer.resume();
      answer.once('end', () => resolve({ status: answer.statusCode ?? 0, location: answer.headers.location ?? '' }));
    });
    sent.once('error', reject);
    if (bodyPath === undefined) sent.end();
    else createReadStream(bodyPath, { highWaterMark: 1024 * 1024 }).pipe(sent);
  });
}

function freePort(): Promise<number> {
  return new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
