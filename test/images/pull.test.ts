import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { noRegistry, startRegistry } from '../harness/registry.ts';
import { rootOnly } from '../harness/skip.ts';
import { selfSigned, startTokenServer } from '../harness/token-server.ts';

const certificates = '/etc/gantry/certs.d';

describe('pull, from registries of all kinds', { skip: rootOnly || noRegistry }, () => {
  let daemon: TestDaemon;
  let scratch: string;

  before(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'gantry-pull-'));
    daemon = await startDaemon();
  });
  after(async () => {
    await daemon[Symbol.asyncDispose]();
    rmSync(scratch, { recursive: true });
  });

  async function ok(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await daemon.docker(...args);
    assert.equal(code, 0, `docker ${args.join(' ')}: ${stderr}`);
    return stdout;
  }

  /** Writes hosts.toml of a registry for the length of a scope. */
  function hostsFile(registry: string, text: string): Disposable {
    const folder = join(certificates, registry);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'hosts.toml'), text);
    return { [Symbol.dispose]: () => rmSync(folder, { recursive: true }) };
  }

  test('every tag comes with --all-tags, and a mirror of any registry stands in for it', async () => {
    await using registry = await startRegistry();
    for (const tag of ['v1', 'v2']) {
      await ok('tag', 'busybox', `${registry.host}/team/tool:${tag}`);
      await ok('push', '-q', `${registry.host}/team/tool:${tag}`);
      await ok('rmi', `${registry.host}/team/tool:${tag}`);
    }
    const all = await ok('pull', '--all-tags', `${registry.host}/team/tool`);
    assert.match(all, /^v1: Pulling from team\/tool$/m);
    assert.match(all, /^v2: Pulling from team\/tool$/m);
    assert.match(all, new RegExp(`^Status: Downloaded newer image for ${registry.host}/team/tool$`, 'm'));
    const again = await daemon.gantry('pull', '-a', `${registry.host}/team/tool`);
    assert.match(again.stdout, new RegExp(`^Status: Image is up to date for ${registry.host}/team/tool$`, 'm'));

    const name = 'registry.invalid:5999';
    using _ = hostsFile(name, `[host."http://${registry.host}"]\ncapabilities = ["pull", "resolve"]\n`);
    assert.match(
      await ok('pull', `${name}/team/tool:v2`),
      new RegExp(`Status: Downloaded newer image for ${name}/team/tool:v2`),
    );
    const info = await daemon.gantry('info');
    assert.match(info.stdout, new RegExp(`^  http://${registry.host}/ \\(for ${name}\\)$`, 'm'));
    const missing = await daemon.docker('pull', `${name}/team/other:v1`);
    assert.match(missing.stderr, /lookup registry.invalid: (no such host|Temporary failure)/);
  });

  test('pull --explain draws where the time went, and docker sees nothing of it', async () => {
    await using registry = await startRegistry();
    const name = `${registry.host}/explained:v1`;
    await ok('tag', 'busybox', name);
    await ok('push', '-q', name);
    await using other = await startDaemon({ images: [] });
    const { code, stdout, stderr } = await other.gantry('pull', '--explain', name);
    assert.equal(code, 0, stderr);
    assert.match(stdout, new RegExp(`^Where the [\\d.]+ m?s of this pull went \\(${registry.host}\\):$`, 'm'));
    assert.match(stdout, /^[0-9a-f]{12} +[\d.]+[kM]B .*[▒▓█].* [\d.]+ m?s$/m);
    assert.match(stdout, /^LAYER .*DOWNLOAD +DECOMPRESS +HASH +WRITE/m);
    assert.ok(stdout.trimEnd().endsWith(name), stdout);
    assert.ok(!(await other.docker('pull', name)).stdout.includes('Where'));
  });

  test('a registry with TLS is believed by the authority that hosts.toml names, and shown a certificate', async () => {
    const [key, certificate] = [join(scratch, 'key.pem'), join(scratch, 'cert.pem')];
    await selfSigned(key, certificate, '/CN=gantry-test-registry');
    await using registry = await startRegistry({ tls: { certificate, key, clientAuthority: certificate } });
    const name = 'tls.invalid:5998';
    const pull = async (more: string): Promise<string> => {
      using _ = hostsFile(name, `server = "https://${registry.host}"\n${more}`);
      const { stdout, stderr } = await daemon.docker('pull', `${name}/nothing:v1`);
      return stdout + stderr;
    };
    assert.match(await pull(''), /x509: certificate signed by unknown authority/);
    assert.match(await pull(`ca = "${certificate}"\n`), /certificate required|alert|handshake|connection reset/i);
    const shown = `client = [["${certificate}", "${key}"]]\n`;
    const unknown = /manifest for tls.invalid:5998\/nothing:v1 not found: manifest unknown/;
    assert.match(await pull(`ca = "${certificate}"\n${shown}`), unknown);
    assert.match(await pull(`skip_verify = true\n${shown}`), unknown);
    assert.ok(readFileSync(certificate, 'utf8').startsWith('-----BEGIN'));
  });

  test('a registry with a token server is pushed to and pulled from by who may', async () => {
    await using tokens = await startTokenServer({ name: 'joe', password: 'secret' });
    await using registry = await startRegistry({ token: tokens });
    const name = `${registry.host}/private/tool`;
    await ok('tag', 'busybox', `${name}:v1`);
    const call = (path: string, password: string) => {
      const auth = Buffer.from(JSON.stringify({ username: 'joe', password })).toString('base64url');
      return daemon.api('POST', path, undefined, { 'X-Registry-Auth': auth });
    };
    assert.match((await call(`/v1.51/images/${name}/push?tag=v1`, 'wrong')).body, /incorrect username or password/);
    assert.match((await call(`/v1.51/images/${name}/push?tag=v1`, 'secret')).body, /"aux":\{"Tag":"v1"/);
    await ok('rmi', `${name}:v1`);
    const pulled = await call(`/v1.51/images/create?fromImage=${name}&tag=v1`, 'secret');
    assert.match(pulled.body, /Status: Downloaded newer image for/, pulled.body);
    assert.ok(tokens.asked.includes('repository:private/tool:pull,push joe'), tokens.asked.join('\n'));
    assert.ok(tokens.asked.includes('repository:private/tool:pull joe'), tokens.asked.join('\n'));
    const nobody = await daemon.api('POST', `/v1.51/images/create?fromImage=${name}&tag=v1`);
    assert.equal(nobody.status, 500);
    assert.match(nobody.body, /unauthorized: authentication required/);
  });
});
