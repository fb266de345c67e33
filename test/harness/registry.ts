import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** Where Debian's docker-registry is, if it is. */
export const registryProgram = (process.env.PATH ?? '')
  .split(delimiter)
  .map(directory => join(directory, 'docker-registry'))
  .find(path => existsSync(path));

/** Why a test with a registry cannot run here; false when it can. */
export const noRegistry =
  registryProgram === undefined && 'this machine lacks docker-registry: apt-get install docker-registry';

export type RegistryOptions = {
  /** Lines of an htpasswd file (bcrypt): Basic authorization. */
  readonly htpasswd?: string;
  /** Files of a certificate and its key: TLS. */
  /** Tokens of a server instead. */
  readonly token?: {
    readonly realm: string;
    readonly service: string;
    readonly issuer: string;
    readonly authority: string;
  };
  readonly tls?: { readonly certificate: string; readonly key: string; readonly clientAuthority?: string };
};

export type TestRegistry = AsyncDisposable & {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  readonly api: (
    path: string,
    headers?: Readonly<Record<string, string>>,
  ) => Promise<{ status: number; body: string; headers: Readonly<Record<string, unknown>> }>;
};

/** Starts Debian's docker-registry on the loopback, with a store of its own. */
export async function startRegistry(options: RegistryOptions = {}): Promise<TestRegistry> {
  const root = mkdtempSync(join(tmpdir(), 'gantry-registry-'));
  const host = `127.0.0.1:${await freePort()}`;
  const { token } = options;
  const auth = {
    ...(options.htpasswd === undefined ? {} : { auth: { htpasswd: { realm: 'test', path: join(root, 'users') } } }),
    ...(token === undefined
      ? {}
      : {
          auth: {
            token: {
              realm: token.realm,
              service: token.service,
              issuer: token.issuer,
              rootcertbundle: token.authority,
            },
          },
        }),
  };
  if (options.htpasswd !== undefined) writeFileSync(join(root, 'users'), options.htpasswd);
  const { tls } = options;
  const clientcas = tls?.clientAuthority === undefined ? {} : { clientcas: [tls.clientAuthority] };
  // The configuration is YAML, of which JSON is a part.
  const config = {
    version: 0.1,
    log: { level: 'error', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(root, 'data') } },
    http: { addr: host, ...(tls ? { tls: { certificate: tls.certificate, key: tls.key, ...clientcas } } : {}) },
    ...auth,
  };
  writeFileSync(join(root, 'config.yml'), JSON.stringify(config));
  const child = spawn(registryProgram ?? 'docker-registry', ['serve', join(root, 'config.yml')], { stdio: 'ignore' });
  const ended = new Promise(done => child.once('exit', done));
  const api: TestRegistry['api'] = (path, headers = {}) =>
    new Promise((resolve, reject) => {
      get(`http://${host}${path}`, { headers, agent: false }, answer => {
        const chunks: Buffer[] = [];
        answer.on('data', chunk => chunks.push(chunk));
        answer.once('end', () =>
          resolve({
            status: answer.statusCode ?? 0,
            body: Buffer.concat(chunks).toString(),
            headers: { ...answer.headers },
          }),
        );
      }).once('error', reject);
    });
  const answers = (): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const port = Number(host.split(':')[1]);
      const socket = connect(port, '127.0.0.1', () => resolve(socket.end())).once('error', reject);
    });
  const deadline = performance.now() + 20_000;
  while (!(await answers().catch(() => undefined))) {
    if (child.exitCode !== null || performance.now() > deadline) throw new Error('the registry did not come up');
    await delay(20);
  }
  return {
    host,
    api,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
      rmSync(root, { recursive: true, force: true });
    },
  };
}

function freePort(): Promise<number> {
  return new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
