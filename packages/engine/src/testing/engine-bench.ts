import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { openImageStore } from '@gantry/images';
import { cgroup } from '@gantry/linux';
import { openNetworkStack } from '@gantry/network';
import { type Launcher, startLauncher } from '@gantry/runtime';
import { StateStore } from '@gantry/store';
import { openVolumeStore } from '@gantry/volumes';
import type { ContainerConfig, HostConfig } from '../documents/index.ts';
import type { ContainerCreate, Engine, PreparedAttach } from '../engine.ts';
import { openEngine } from '../open.ts';
import { findKernelFeatures } from '../system/kernel-features.ts';

const BUSYBOX = '/usr/bin/busybox';

/** Options of a test that runs containers. */
export const needsContainers = {
  skip:
    (process.getuid?.() !== 0 && 'needs root') ||
    (!existsSync(BUSYBOX) && 'needs busybox-static: its /usr/bin/busybox is the image'),
  timeout: 60_000,
} as const;

let benches = 0;

/** A whole engine over real rooms in a directory of its own, which can be closed and opened again. */
export class EngineBench implements AsyncDisposable {
  readonly root = mkdtempSync('/var/tmp/gantry-engine-');
  readonly liveRestore: boolean;
  readonly cgroupParent = `/gantry-engine-test-${process.pid}-${++benches}`;
  #opened: AsyncDisposableStack | undefined;
  #engine: Engine | undefined;
  #launcher: Launcher | undefined;

  constructor({ liveRestore = true }: { readonly liveRestore?: boolean } = {}) {
    this.liveRestore = liveRestore;
  }

  get engine(): Engine {
    if (!this.#engine) throw new Error('the engine is closed');
    return this.#engine;
  }

  get launcher(): Launcher {
    if (!this.#launcher) throw new Error('the engine is closed');
    return this.#launcher;
  }

  async open(): Promise<Engine> {
    const opened = new AsyncDisposableStack();
    this.#opened = opened;
    mkdirSync(join(this.root, 'data'), { recursive: true });
    const store = opened.use(new StateStore(join(this.root, 'data/state.db')));
    const launcher = opened.use(await startLauncher());
    this.#launcher = launcher;
    const layout = cgroup.detectCgroupLayout();
    const images = opened.use(
      await openImageStore({ root: join(this.root, 'data/images'), runDir: join(this.root, 'run'), store }),
    );
    const networks = opened.use(
      await openNetworkStack({
        store,
        launcher,
        runDir: join(this.root, 'run/network'),
        bridge: 'none',
        bip: undefined,
        iptables: false,
        ipForward: false,
        defaultAddressPools: [],
      }),
    );
    const volumes = await openVolumeStore({
      root: join(this.root, 'data/volumes'),
      store,
      run: steps => launcher.run(steps),
    });
    this.#engine = opened.use(
      await openEngine({
        dataRoot: join(this.root, 'data'),
        execRoot: join(this.root, 'run'),
        store,
        launcher,
        images,
        networks,
        volumes,
        cgroup: layout,
        daemon: {
          id: 'bench',
          version: '0.1.0',
          gitCommit: '',
          buildTime: '',
          apiVersion: '1.51',
          minApiVersion: '1.24',
          labels: [],
          debug: false,
          experimental: false,
          liveRestore: this.liveRestore,
          httpProxy: '',
          httpsProxy: '',
          noProxy: '',
          insecureRegistries: [],
          registryMirrors: [],
          firewall: 'none',
          warnings: [],
        },
        defaults: {
          hostname: hostname(),
          ulimits: [],
          shmSizeBytes: 64 << 20,
          init: false,
          initPath: undefined,
          cgroupParent: this.cgroupParent,
          ipcMode: 'private',
          cgroupnsMode: layout.version === 2 ? 'private' : 'host',
          dns: [],
          dnsSearch: [],
          dnsOptions: [],
          hostGatewayIps: [],
          logDriver: 'json-file',
          logOptions: {},
          runtimes: ['runc'],
          defaultRuntime: 'runc',
          seccompProfile: 'builtin',
          noNewPrivileges: false,
          kernel: findKernelFeatures(layout, false),
        },
      }),
    );
    if (
      (await this.#engine.images.list({ all: true, filters: new Map(), sharedSize: false, manifests: false }))
        .length === 0
    ) {
      await this.#import();
    }
    return this.#engine;
  }

  /** Closes the engine and its rooms, as the end of the daemon does. */
  async close(): Promise<void> {
    await this.#opened?.disposeAsync();
    this.#opened = undefined;
    this.#engine = undefined;
    this.#launcher = undefined;
  }

  async reopen(): Promise<Engine> {
    await this.close();
    return await this.open();
  }

  async #import(): Promise<void> {
    const tree = join(this.root, 'tree');
    for (const folder of ['bin', 'etc', 'proc', 'sys', 'dev', 'tmp', 'root', 'data']) {
      mkdirSync(join(tree, folder), { recursive: true });
    }
    copyFileSync(BUSYBOX, join(tree, 'bin/busybox'));
    for (const applet of ['sh', 'cat', 'echo', 'sleep', 'true', 'ls', 'id', 'kill']) {
      symlinkSync('busybox', join(tree, 'bin', applet));
    }
    writeFileSync(join(tree, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
    writeFileSync(join(tree, 'etc/group'), 'root:x:0:\n');
    writeFileSync(join(tree, 'data/seed'), 'from the image\n');
    const archive = join(this.root, 'tree.tar');
    execFileSync('tar', ['-C', tree, '-cf', archive, '.']);
    await this.engine.images.import(
      createReadStream(archive),
      { repository: 'busybox', tag: '', message: '', changes: [], platform: undefined },
      () => {},
      new AbortController().signal,
    );
    rmSync(tree, { recursive: true });
  }

  /** Creates a container of the busybox image; its id. */
  async create(
    command: readonly string[],
    config: Partial<ContainerConfig> = {},
    hostConfig: Partial<HostConfig> = {},
    name?: string,
  ): Promise<string> {
    const request = {
      config: { Image: 'busybox', Cmd: [...command], ...config },
      hostConfig: { NetworkMode: 'none', ...hostConfig },
      networkingConfig: { EndpointsConfig: {} },
      name,
      platform: undefined,
    } as unknown as ContainerCreate;
    return (await this.engine.containers.create(request)).Id;
  }

  async waitFor(id: string, condition: 'not-running' | 'next-exit' | 'removed' = 'not-running'): Promise<number> {
    const { done } = await this.engine.containers.wait(id, condition, new AbortController().signal);
    return (await done).StatusCode;
  }

  async logs(id: string): Promise<string> {
    const { body } = await this.engine.containers.logs(
      id,
      {
        stdout: true,
        stderr: true,
        follow: false,
        sinceNs: 0n,
        untilNs: 0n,
        timestamps: false,
        details: false,
        tail: undefined,
      },
      new AbortController().signal,
    );
    return withoutFrames(await buffer(body));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#engine) {
      for (const { Id } of await this.engine.containers.list({
        all: true,
        limit: 0,
        size: false,
        filters: new Map(),
      })) {
        await this.engine.containers.remove(Id, { force: true, volumes: true, link: false });
      }
    }
    await this.close();
    await cgroup.removeCgroup(cgroup.detectCgroupLayout(), this.cgroupParent);
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** A client of an attach: what it sends, and all that it receives. */
export class AttachedClient {
  readonly received: Promise<string>;
  readonly #far: Duplex;

  private constructor(far: Duplex) {
    this.#far = far;
    this.received = text(far);
  }

  static async connect(prepared: PreparedAttach): Promise<AttachedClient> {
    const [near, far] = pair();
    const client = new AttachedClient(far);
    await prepared.connect({ kind: 'stream', stream: near });
    return client;
  }

  send(input: string): void {
    this.#far.write(input);
  }

  end(input = ''): void {
    this.#far.end(input);
  }
}

/** Two ends of one pipe in memory. */
function pair(): [Duplex, Duplex] {
  const make = (other: () => Duplex): Duplex =>
    new Duplex({
      allowHalfOpen: true,
      read() {},
      write(chunk, _encoding, done) {
        other().push(chunk);
        done();
      },
      final(done) {
        other().push(null);
        done();
      },
    });
  const near: Duplex = make(() => far);
  const far: Duplex = make(() => near);
  return [near, far];
}

/** The content of Docker's 8-byte stream frames. */
export function withoutFrames(bytes: Buffer): string {
  const parts: Buffer[] = [];
  for (let at = 0; at + 8 <= bytes.length; ) {
    const end = at + 8 + bytes.readUInt32BE(at + 4);
    parts.push(bytes.subarray(at + 8, end));
    at = end;
  }
  return Buffer.concat(parts).toString();
}
