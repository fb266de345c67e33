import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { execute } from '../harness/execute.ts';
import { noRegistry, startRegistry, type TestRegistry } from '../harness/registry.ts';
import { rootOnly } from '../harness/skip.ts';

const gantry = new URL('../../gantry', import.meta.url).pathname;
/** `joe` with the password `secret`. */
const htpasswd = 'joe:$2b$04$nAaeAppqwW/UDtVT7t99JOhSiW4myrgE0cj7Rd3o4QeQ0SL3IMGOy\n';

describe('login and logout of our command line', { skip: rootOnly || noRegistry }, () => {
  let daemon: TestDaemon;
  let registry: TestRegistry;
  let config: string;

  before(async () => {
    config = mkdtempSync(join(tmpdir(), 'gantry-login-'));
    daemon = await startDaemon();
    registry = await startRegistry({ htpasswd });
  });
  after(async () => {
    await registry[Symbol.asyncDispose]();
    await daemon[Symbol.asyncDispose]();
    rmSync(config, { recursive: true });
  });

  const run = (args: readonly string[], input = '', path = process.env.PATH ?? '') =>
    execute(gantry, ['--config', config, ...args], {
      env: { ...process.env, GANTRY_HOST: `unix://${daemon.socket}`, PATH: path },
      input,
    });
  const configFile = (): Record<string, unknown> => JSON.parse(readFileSync(join(config, 'config.json'), 'utf8'));

  test('a password is kept as the official client keeps it, used by push, and forgotten', async () => {
    const { host } = registry;
    writeFileSync(join(config, 'config.json'), '{"detachKeys":"ctrl-x"}', { mode: 0o600 });
    const wrong = await run(['login', '-u', 'joe', '--password-stdin', host], 'nonsense\n');
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /401 Unauthorized/);
    const right = await run(['login', '-u', 'joe', '--password-stdin', host], 'secret\n');
    assert.equal(right.stdout, 'Login Succeeded\n', right.stderr);
    assert.match(right.stderr, /WARNING! Your credentials are stored unencrypted in '.*config\.json'/);
    const auth = Buffer.from('joe:secret').toString('base64');
    assert.deepEqual(configFile(), { detachKeys: 'ctrl-x', auths: { [host]: { auth } } });
    assert.equal(statSync(join(config, 'config.json')).mode & 0o777, 0o600);
    assert.match(
      (await run(['login', host])).stdout,
      /^Authenticating with existing credentials.*\n\nLogin Succeeded\n$/,
    );
    await daemon.docker('tag', 'busybox', `${host}/mine:v1`);
    assert.equal((await run(['push', '-q', `${host}/mine:v1`])).stdout, `${host}/mine:v1\n`);
    assert.equal((await run(['logout', host])).stdout, `Removing login credentials for ${host}\n`);
    assert.deepEqual(configFile(), { detachKeys: 'ctrl-x' });
    const refused = await run(['push', `${host}/mine:v1`]);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /no basic auth credentials|unauthorized/);
  });

  test('a credential helper keeps the password instead of the file', async () => {
    const { host } = registry;
    const kept = join(config, 'kept');
    const helper = join(config, 'docker-credential-test');
    writeFileSync(
      helper,
      `#!/bin/sh\ncase $1 in store) cat >${kept} ;; get) cat >/dev/null; cat ${kept} ;; erase) cat >/dev/null; rm ${kept} ;; esac\n`,
    );
    chmodSync(helper, 0o755);
    writeFileSync(join(config, 'config.json'), '{"credsStore":"test"}');
    const path = `${config}${delimiter}${process.env.PATH}`;
    const done = await run(['login', '-u', 'joe', '--password-stdin', host], 'secret', path);
    assert.equal(done.stdout, 'Login Succeeded\n', done.stderr);
    assert.equal(done.stderr, '');
    assert.deepEqual(JSON.parse(readFileSync(kept, 'utf8')), { ServerURL: host, Username: 'joe', Secret: 'secret' });
    assert.deepEqual(configFile(), { credsStore: 'test', auths: { [host]: {} } });
    await daemon.docker('tag', 'busybox', `${host}/helped:v1`);
    assert.equal((await run(['push', '-q', `${host}/helped:v1`], '', path)).code, 0);
    await run(['logout', host], '', path);
    assert.deepEqual(configFile(), { credsStore: 'test' });
    const missing = await run(['login', '-u', 'joe', '--password-stdin', host], 'secret');
    assert.equal(missing.code, 1);
    assert.match(
      missing.stderr,
      /error storing credentials - err: exec: "docker-credential-test": executable file not found/,
    );
  });

  test('a config file that cannot be read is not overwritten', async () => {
    writeFileSync(join(config, 'config.json'), '{ broken');
    const refused = await run(['login', '-u', 'joe', '--password-stdin', registry.host], 'secret');
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /config\.json: .*mend it, or move it away/);
    assert.equal(readFileSync(join(config, 'config.json'), 'utf8'), '{ broken');
  });
});
