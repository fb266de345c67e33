import { createSign, randomUUID, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execute } from './execute.ts';

export type TokenServer = AsyncDisposable & {
  readonly realm: string;
  readonly service: string;
  readonly issuer: string;
  /** File of the certificate that its tokens are signed with. */
  readonly authority: string;
  /** What was asked, as `SCOPES USER`. */
  readonly asked: string[];
};

/**
 * A token server for docker-registry: gives `user` all that is asked for, and others nothing.
 * @see distribution's docs/spec/auth/token.md
 */
export async function startTokenServer(user: {
  readonly name: string;
  readonly password: string;
}): Promise<TokenServer> {
  const root = mkdtempSync(join(tmpdir(), 'gantry-token-'));
  const [key, certificate] = [join(root, 'key.pem'), join(root, 'cert.pem')];
  await selfSigned(key, certificate, '/CN=gantry-test-tokens');
  const der = new X509Certificate(readFileSync(certificate)).raw.toString('base64');
  const [service, issuer] = ['gantry-test', 'gantry-test-issuer'];
  const asked: string[] = [];
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const server = createServer((request, response) => {
    const { searchParams } = new URL(request.url ?? '', 'http://x');
    const given = Buffer.from((request.headers.authorization ?? '').replace('Basic ', ''), 'base64').toString();
    const scopes = searchParams.getAll('scope');
    asked.push(`${scopes.join(' ')} ${given.split(':')[0]}`.trim());
    if (given !== `${user.name}:${user.password}`) {
      response.writeHead(401).end('{}');
      return;
    }
    const access = scopes.map(scope => {
      const [type, name, actions = ''] = /^([^:]+):(.+):([^:]+)$/.exec(scope)?.slice(1) ?? [];
      return { type, name, actions: actions.split(',') };
    });
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      iss: issuer,
      sub: user.name,
      aud: service,
      exp: now + 60,
      nbf: now - 5,
      iat: now,
      jti: randomUUID(),
      access,
    };
    const signed = `${part({ typ: 'JWT', alg: 'RS256', x5c: [der] })}.${part(claims)}`;
    const signature = createSign('RSA-SHA256').update(signed).sign(readFileSync(key)).toString('base64url');
    response.end(JSON.stringify({ token: `${signed}.${signature}`, expires_in: 60 }));
  });
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done));
  return {
    realm: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`,
    service,
    issuer,
    authority: certificate,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise(done => server.close(done));
      rmSync(root, { recursive: true });
    },
  };
}

/** Makes a key and a certificate for it that vouches for itself, and for 127.0.0.1. */
export async function selfSigned(key: string, certificate: string, subject: string): Promise<void> {
  const made = await execute('openssl', [
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', subject],
    ...['-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', certificate],
  ]);
  if (made.code !== 0) throw new Error(`openssl: ${made.stderr}`);
}
