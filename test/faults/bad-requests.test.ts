/** What a client may get wrong, from a flag to raw garbage: the right status, Docker's words, and a daemon that goes on. */
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { after, afterEach, before, describe, test } from 'node:test';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { importTree } from '../harness/image.ts';
import { descriptors, raw, request } from '../harness/raw.ts';
import { rootOnly } from '../harness/skip.ts';

describe('bad requests', { skip: rootOnly }, () => {
  let daemon: TestDaemon;
  let pid = 0;
  before(async () => {
    daemon = await startDaemon();
    pid = daemon.pid();
  });
  after(() => daemon?.[Symbol.asyncDispose]());
  afterEach(async () => {
    assert.equal((await daemon.api('GET', '/_ping')).body, 'OK');
    assert.equal(daemon.pid(), pid);
    assert.equal((await daemon.docker('ps', '-aq')).stdout, '', 'no container is left');
  });

  const message = ({ body }: { body: string }): string =>
    body.startsWith('{') ? (JSON.parse(body) as { message: string }).message : body;

  test('a bad reference is refused in dockerd’s words', async () => {
    const upper = await daemon.docker('run', '--rm', 'BusyBox');
    assert.equal(upper.code, 125);
    assert.match(upper.stderr, /invalid reference format: repository name \(library\/BusyBox\) must be lowercase/);
    const answers: readonly (readonly [string, number, RegExp])[] = [
      ['UPPER', 400, /invalid reference format: repository name \(library\/UPPER\) must be lowercase/],
      ['a:b:c', 400, /invalid reference format/],
      ['missing', 404, /No such image: missing:latest/],
      ['', 400, /no command specified|invalid reference format|Config cannot be empty/i],
    ];
    for (const [Image, status, text] of answers) {
      const answer = await daemon.api('POST', '/containers/create', { Image, Cmd: ['true'] });
      assert.equal(answer.status, status, `${Image}: ${answer.body}`);
      assert.match(message(answer), text, Image);
    }
    const digest = await daemon.docker('pull', `busybox@sha256:${'g'.repeat(64)}`);
    assert.equal(digest.code, 1);
    assert.match(digest.stderr, /invalid reference format/);
  });

  test('a name that is taken or wrong is a conflict or an invalid parameter', async () => {
    const { stdout } = await daemon.docker('create', '--name', 'taken', 'busybox', 'true');
    const again = await daemon.docker('create', '--name', 'taken', 'busybox', 'true');
    assert.equal(again.code, 1);
    assert.ok(
      again.stderr.includes(
        `Conflict. The container name "/taken" is already in use by container "${stdout.trim()}". You have to remove (or rename) that container to be able to reuse that name.`,
      ),
      again.stderr,
    );
    const wrong = await daemon.docker('create', '--name', 'a/b', 'busybox', 'true');
    assert.match(wrong.stderr, /Invalid container name \(a\/b\), only \[a-zA-Z0-9\]\[a-zA-Z0-9_\.-\] are allowed/);
    await daemon.docker('create', '--name', 'other', 'busybox', 'true');
    assert.match((await daemon.docker('rename', 'other', 'taken')).stderr, /name "\/taken" is already in use/);
    assert.equal((await daemon.docker('inspect', '-f', '{{.Name}}', 'other')).stdout, '/other\n');
    await daemon.docker('rm', 'taken', 'other');
  });

  test('of many clients that want one name at once exactly one gets it', async () => {
    const answers = await Promise.all(
      Array.from({ length: 30 }, () =>
        daemon.api('POST', '/containers/create?name=one', { Image: 'busybox', Cmd: ['true'] }),
      ),
    );
    assert.deepEqual(answers.map(({ status }) => status).sort(), [201, ...Array.from({ length: 29 }, () => 409)]);
    await daemon.docker('rm', 'one');
  });

  test('a port that a container has is refused, and free again when the container is gone', async () => {
    const port = '127.0.0.1:18311';
    await daemon.docker('run', '-d', '--name', 'first', '-p', `${port}:80`, 'busybox', 'sleep', '1000');
    const second = await daemon.docker('run', '-d', '--name', 'second', '-p', `${port}:80`, 'busybox', 'sleep', '1000');
    assert.equal(second.code, 125);
    assert.match(second.stderr, /Bind for 127\.0\.0\.1:18311 failed: port is already allocated/);
    assert.equal(
      (await daemon.docker('inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', 'second')).stdout,
      'created 128\n',
    );
    await daemon.docker('rm', '-f', 'first');
    assert.equal((await daemon.docker('start', 'second')).code, 0);
    await daemon.docker('rm', '-f', 'second');
  });

  test('a port that a foreign process has is refused, and the container can start when it is free', async () => {
    const server = createServer();
    await new Promise<void>(done => server.listen(18312, '127.0.0.1', done));
    const run = await daemon.docker(
      'run',
      '-d',
      '--name',
      'late',
      '-p',
      '127.0.0.1:18312:80',
      'busybox',
      'sleep',
      '1000',
    );
    assert.equal(run.code, 125);
    assert.match(run.stderr, /failed to bind host port .*127\.0\.0\.1:18312.*address already in use/);
    await new Promise(done => server.close(done));
    assert.equal((await daemon.docker('start', 'late')).code, 0);
    await daemon.docker('rm', '-f', 'late');
  });

  test('a program that is missing gives 127, one that may not run gives 126', async () => {
    await importTree(daemon, 'programs', {
      files: { 'bin/plain': 'no program\n', 'bin/no-interpreter': '#!/does/not/exist\n', 'bin/empty': '' },
      directories: ['bin/directory'],
    });
    const cases: readonly (readonly [string, number, RegExp])[] = [
      ['nowhere', 127, /exec: "nowhere": executable file not found in \$PATH/],
      ['/nowhere', 127, /exec: "\/nowhere": stat \/nowhere: no such file or directory/],
      ['/etc/passwd/x', 125, /not a directory/],
      ['/bin/plain', 126, /permission denied/],
      ['/bin/directory', 126, /is a directory|permission denied/],
      // The program itself is there: the kernel refuses it after the start, as with runc.
      ['/bin/no-interpreter', 255, /exec \/bin\/no-interpreter: no such file or directory/],
    ];
    for (const [program, code, text] of cases) {
      const run = await daemon.docker('run', '--rm', 'programs', program);
      assert.equal(run.code, code, `${program}: ${run.stderr}`);
      assert.match(run.stderr, text, program);
    }
    await daemon.docker('run', '-d', '--name', 'target', 'programs', 'sleep', '1000');
    const missing = await daemon.docker('exec', 'target', 'nowhere');
    assert.equal(missing.code, 127);
    assert.match(`${missing.stdout}${missing.stderr}`, /executable file not found in \$PATH/);
    assert.equal((await daemon.docker('exec', 'target', '/bin/plain')).code, 126);
    await daemon.docker('rm', '-f', 'target');
    await daemon.docker('rmi', 'programs');
  });

  test('an unknown flag or command of our own command line is refused with the way to its help', async () => {
    const flag = await daemon.gantry('run', '--no-such-flag', 'busybox');
    assert.equal(flag.code, 125);
    assert.match(flag.stderr, /unknown flag: --no-such-flag/);
    assert.match(flag.stderr, /run --help/);
    const command = await daemon.gantry('no-such-command');
    assert.notEqual(command.code, 0);
    assert.match(command.stderr, /no-such-command/);
    const global = await daemon.gantry('--no-such-flag', 'ps');
    assert.equal(global.code, 125);
    assert.match(global.stderr, /unknown flag: --no-such-flag/);
    const few = await daemon.gantry('rm');
    assert.equal(few.code, 1);
    assert.match(few.stderr, /requires at least 1 argument/);
  });

  test('a body that is no JSON, of another type, or of the wrong shape is an invalid parameter', async () => {
    const bodies: readonly (readonly [string, RegExp])[] = [
      ['{', /invalid JSON/],
      ['nonsense', /invalid JSON/],
      ['[]', /invalid JSON/],
      ['"text"', /invalid JSON/],
      ['', /invalid JSON: got EOF while reading request body/],
      ['null', /config cannot be empty/i],
      ['{"Image": 5}', /invalid JSON/],
      ['{"Image":"busybox","HostConfig":{"Memory":"much"}}', /invalid JSON/],
      ['{"Image":"busybox","Cmd":{"a":1}}', /invalid JSON/],
      [`{"Image":"busybox","Cmd":${'['.repeat(20_000)}${']'.repeat(20_000)}}`, /invalid JSON/],
      ['{"Image":"busybox"} {"Image":"busybox"}', /unexpected content after JSON/],
    ];
    for (const [body, text] of bodies) {
      const answer = await raw(
        daemon.socket,
        request('POST', '/containers/create', body, ['Connection: close', ...(body === '' ? ['X: y'] : [])]),
      );
      assert.match(answer, /^HTTP\/1\.1 400 /, body.slice(0, 60));
      assert.match(answer, text, body.slice(0, 60));
    }
    const plain = await raw(
      daemon.socket,
      'POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}',
    );
    assert.match(plain, /^HTTP\/1\.1 400 /);
    assert.match(plain, /unsupported Content-Type header \(text\/plain\): must be 'application\/json'/);
  });

  test('a body or a head beyond every bound is refused, and not kept', async () => {
    const huge = Buffer.alloc(40 * 1024 * 1024, ' ');
    const head = Buffer.from(
      `POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${huge.length}\r\nConnection: close\r\n\r\n`,
    );
    assert.match(
      await raw(daemon.socket, Buffer.concat([head, huge])),
      /^HTTP\/1\.1 400 .*request body is larger than/s,
    );
    const header = `GET /_ping HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(2 * 1024 * 1024)}\r\n\r\n`;
    assert.match(await raw(daemon.socket, header), /^HTTP\/1\.1 431 |^$/);
    const many = `GET /_ping HTTP/1.1\r\nHost: x\r\n${'A: b\r\n'.repeat(5000)}Connection: close\r\n\r\n`;
    assert.match(await raw(daemon.socket, many), /^HTTP\/1\.1 (200|431) /);
  });

  test('invalid queries, unknown paths and wrong methods have dockerd’s statuses', async () => {
    const answers: readonly (readonly [string, string, number, RegExp])[] = [
      ['GET', '/containers/json?limit=many', 500, /strconv\.Atoi: parsing "many": invalid syntax/],
      ['GET', '/containers/json?filters=%7B', 400, /invalid filter|invalid character|unexpected end/],
      ['GET', '/containers/json?filters=%7B%22nope%22:%5B%22x%22%5D%7D', 400, /invalid filter 'nope'/],
      ['GET', '/containers/none/json', 404, /No such container: none/],
      ['GET', '/containers/none/logs', 400, /you must choose at least one stream/],
      ['GET', '/containers/none/logs?stdout=1', 404, /No such container: none/],
      ['POST', '/containers/none/wait?condition=never', 400, /invalid condition: "never"/],
      ['POST', '/containers/none/kill?signal=NOPE', 400, /cannot kill container: none: invalid signal: NOPE/],
      ['POST', '/containers/none/resize?h=a&w=b', 400, /invalid resize height/],
      ['GET', '/exec/none/json', 404, /No such exec instance: none/],
      ['DELETE', '/containers/json', 404, /No such container: json/],
      ['PATCH', '/containers/json', 404, /page not found/],
      ['PUT', '/containers/create', 404, /page not found/],
      ['GET', '/no/such/page', 404, /page not found/],
      ['GET', '/v9.99/containers/json', 400, /client version 9\.99 is too new/],
      ['GET', '/v1.2/containers/json', 400, /client version 1\.2 is too old/],
      ['GET', '/events?since=yesterday', 500, /strconv\.ParseInt/],
      ['GET', '/images/none/json', 404, /No such image: none/],
      ['GET', '/networks/nowhere', 404, /network nowhere not found/],
      ['GET', '/volumes/none', 404, /get none: no such volume/],
      ['DELETE', '/volumes/none', 404, /get none: no such volume/],
      ['DELETE', '/images/none', 404, /No such image: none/],
    ];
    for (const [method, path, status, text] of answers) {
      const answer = await daemon.api(method, path);
      assert.equal(answer.status, status, `${method} ${path}: ${answer.body}`);
      assert.match(message(answer), text, `${method} ${path}`);
    }
  });

  test('garbage instead of HTTP ends that connection and no other', async () => {
    const before = descriptors(pid).length;
    const garbage: readonly (string | Buffer)[] = [
      '\r\n\r\n',
      'hello\r\n\r\n',
      'GET\r\n\r\n',
      'GET / HTTP/9.9\r\n\r\n',
      'GET /%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
      'GET /%00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
      'GET http://[::1/_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
      'POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n',
      'POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      'POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
      'POST /containers/x/attach HTTP/1.1\r\nHost: x\r\nUpgrade: tcp\r\nConnection: Upgrade\r\n\r\n',
      'GET /containers/x/attach/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ?\r\n\r\n',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03]),
      Buffer.alloc(100_000, 0xff),
    ];
    for (const bytes of garbage) {
      const answer = await raw(daemon.socket, bytes, 500);
      assert.match(answer, /^(HTTP\/1\.1 [34]\d\d |$)/, String(bytes).slice(0, 60));
    }
    assert.equal((await daemon.api('GET', '/_ping')).status, 200);
    assert.ok(descriptors(pid).length <= before + 1, 'no connection is kept');
  });
});
