import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { startDaemon, type TestDaemon } from '../harness/daemon.ts';
import { debianStack } from '../harness/debian-stack.ts';
import { execute } from '../harness/execute.ts';
import { rootOnly } from '../harness/skip.ts';
import { slowness } from '../harness/slowness.ts';

const number = Math.floor(Math.random() * 250);
const port = 28_000 + number;
const name = `gantrystack${number}`;
const [here, there] = [`198.19.${number}.1`, `198.19.${number}.2`];

const project = `
services:
  web:
    image: stack
    command: nginx -c /srv/nginx.conf
    volumes: [ './site:/srv:ro' ]
    ports: [ '${port}:80' ]
    networks: [ front ]
  app:
    image: stack
    command: python3 -u /srv/app.py
    volumes: [ './site:/srv:ro' ]
    depends_on: [ database, cache ]
    networks: [ front, back ]
  database:
    image: stack
    command: sh /srv/database.sh
    volumes: [ './site:/srv:ro', 'posts:/var/lib/mysql' ]
    networks: [ back ]
  cache:
    image: stack
    command: redis-server --protected-mode no --save ''
    networks: [ back ]
networks:
  front: {}
  back: { internal: true }
volumes:
  posts: {}
`;

const site = {
  // The name in a variable: nginx asks the resolver while it runs, not only when it starts.
  'nginx.conf': `
daemon off;
user root;
pid /tmp/nginx.pid;
error_log stderr;
worker_processes 1;
events { worker_connections 512; }
http {
  access_log off;
  resolver 127.0.0.11 valid=1s ipv6=off;
  server {
    listen 80;
    location = /static { return 200 'hello\\n'; }
    location / {
      set $upstream app;
      proxy_connect_timeout 2s;
      proxy_pass http://$upstream:8000;
    }
  }
}
`,
  'database.sh': `
set -e
data=/var/lib/mysql sql=/usr/share/mysql
server="mariadbd --no-defaults --user=root --datadir=$data --socket=/tmp/db.sock --innodb-buffer-pool-size=8M --innodb-log-file-size=4M"
if [ ! -d $data/mysql ]; then
  # A statement a line: that is all it understands before its tables are there.
  { printf 'create database mysql;\\nuse mysql;\\nset @skip_auth_anonymous=1;\\n'; cat $sql/mysql_system_tables.sql $sql/mysql_system_tables_data.sql; } \\
    | $server --bootstrap --skip-grant-tables
  printf "create database site;\\ncreate user app@'%%' identified by 'secret';\\ngrant all on site.* to app@'%%';\\n" >/tmp/init.sql
  server="$server --init-file=/tmp/init.sql"
fi
exec $server
`,
  // Posts are in the database; how often each was read is counted in the cache.
  'app.py': `
import http.server, json, socket, time, pymysql

def database():
    return pymysql.connect(host='database', user='app', password='secret', database='site', autocommit=True)

def count(key):
    with socket.create_connection(('cache', 6379)) as cache:
        cache.sendall(f'INCR {key}\\r\\n'.encode())
        return int(cache.recv(64)[1:])

class Site(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def answer(self, document):
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_POST(self):
        title = self.rfile.read(int(self.headers['Content-Length'])).decode()
        with database() as db, db.cursor() as cursor:
            cursor.execute('insert into posts (title) values (%s)', (title,))
        self.answer({})
    def do_GET(self):
        with database() as db, db.cursor() as cursor:
            cursor.execute('select title from posts order by id')
            titles = [row[0] for row in cursor.fetchall()]
        self.answer({'titles': titles, 'reads': count('reads'), 'from': self.connection.getsockname()[0]})
    def log_message(self, *words):
        pass

class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128

while True:
    try:
        with database() as db, db.cursor() as cursor:
            cursor.execute('create table if not exists posts (id int auto_increment primary key, title text)')
        break
    except pymysql.err.OperationalError:
        time.sleep(0.1)
Server(('', 8000), Site).serve_forever()
`,
};

const stack = rootOnly ? { lacks: rootOnly } : await debianStack();
const skip = 'lacks' in stack ? stack.lacks : !hasCompose() && 'this machine lacks the compose plugin';

function hasCompose(): boolean {
  try {
    execFileSync('docker', ['compose', 'version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

type Page = { readonly titles: readonly string[]; readonly reads: number; readonly from: string };

describe('a site of web server, application, database and cache', { skip }, () => {
  let directory = '';
  const url = `http://${here}:${port}/`;
  let daemon: TestDaemon;

  const compose = async (...args: string[]): Promise<string> => {
    const file = join(directory, 'compose.yaml');
    const { code, stdout, stderr } = await daemon.docker('compose', '-p', 'site', '-f', file, ...args);
    assert.equal(code, 0, `docker compose ${args.join(' ')}: ${stderr}`);
    return stdout;
  };
  const ip = async (...args: string[]): Promise<void> => {
    const { code, stderr } = await execute('ip', args);
    assert.equal(code, 0, `ip ${args.join(' ')}: ${stderr}`);
  };
  /** The page as soon as the whole chain answers. */
  const page = async (wanted: (page: Page) => boolean = () => true): Promise<Page> => {
    for (const deadline = performance.now() + 30_000 * slowness; ; await delay(50)) {
      const got: Page | undefined = await fetch(url).then(
        answer => (answer.ok ? (answer.json() as Promise<Page>) : undefined),
        () => undefined,
      );
      if (got && wanted(got)) return got;
      if (performance.now() > deadline) assert.fail(`no such page: ${JSON.stringify(got)}\n${await compose('logs')}`);
    }
  };

  before(async () => {
    assert.ok('archive' in stack);
    directory = mkdtempSync(join(tmpdir(), 'gantry-stack-'));
    mkdirSync(join(directory, 'site'));
    writeFileSync(join(directory, 'compose.yaml'), project);
    for (const [file, text] of Object.entries(site)) writeFileSync(join(directory, 'site', file), text);
    await ip('netns', 'add', name);
    await ip('link', 'add', name, 'type', 'veth', 'peer', 'name', 'lan', 'netns', name);
    await ip('addr', 'add', `${here}/24`, 'dev', name);
    await ip('link', 'set', name, 'up');
    await ip('-n', name, 'addr', 'add', `${there}/24`, 'dev', 'lan');
    await ip('-n', name, 'link', 'set', 'lan', 'up');
    daemon = await startDaemon({ images: [] });
    const imported = await daemon.docker('import', stack.archive, 'stack');
    assert.equal(imported.code, 0, imported.stderr);
  });
  after(async () => {
    if (daemon) {
      await daemon.docker('compose', '-p', 'site', '-f', join(directory, 'compose.yaml'), 'down', '-v', '-t', '0');
      await daemon[Symbol.asyncDispose]();
    }
    await execute('ip', ['netns', 'delete', name]);
    await execute('ip', ['link', 'delete', name]);
    rmSync(directory, { recursive: true });
  });

  test('comes up with one command and finds its parts by name', async () => {
    await compose('up', '-d');
    assert.deepEqual((await page()).titles, []);
    const posted = await fetch(url, { method: 'POST', body: 'first post' });
    assert.equal(posted.status, 200, await posted.text());
    const { titles, reads } = await page();
    assert.deepEqual(titles, ['first post']);
    assert.ok(reads >= 2, String(reads));
  });

  test('its web server finds an application that has another address now', async () => {
    const { from } = await page();
    // Somebody takes the address while the application is away.
    await compose('stop', '-t', '0', 'app');
    await compose('up', '-d', '--no-deps', '--force-recreate', 'app');
    const moved = await page(got => got.from !== from);
    assert.deepEqual(moved.titles, ['first post']);
  });

  test('bears fifty clients at once on another machine', async () => {
    for (const path of ['', 'static']) {
      const { stdout, stderr } = await execute('ip', [
        ...['netns', 'exec', name, 'wrk', '-t1', '-c50', '-d1s', '--timeout', '20s', `${url}${path}`],
      ]);
      assert.match(stdout, /[1-9]\d* requests in/, stderr);
      assert.doesNotMatch(stdout, /Socket errors|Non-2xx/, stdout);
    }
  });

  test('keeps its data over down and up', async () => {
    await compose('down', '-t', '2');
    assert.equal((await daemon.docker('ps', '-aq')).stdout, '');
    await compose('up', '-d');
    assert.deepEqual((await page()).titles, ['first post']);
  });
});
