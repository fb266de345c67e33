import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import type { EngineClient } from '@gantry/client';
import { atMost, type Command, type Context } from '../../command.ts';
import { type Credentials, HUB, keepCredentials, serverOf, storedCredentials } from '../../credentials.ts';
import { ExitError } from '../../errors.ts';
import { text, toggle } from '../../flags/flag.ts';
import type { Values } from '../../flags/parse.ts';

export const command: Command = {
  usage: '[SERVER]',
  arity: atMost(1),
  flags: [
    { name: 'password', short: 'p', kind: text, help: 'Password or Personal Access Token (PAT)' },
    { name: 'password-stdin', kind: toggle, help: 'Take the Password or Personal Access Token (PAT) from stdin' },
    { name: 'username', short: 'u', kind: text, help: 'Username' },
  ],
  async run(context, values) {
    const server = serverOf(values.args[0] ?? '');
    const password = await givenPassword(context, values);
    const username = values.text('username')?.trim();
    const engine = await context.engine();
    if (username === undefined && password === undefined && (await loginAgain(context, engine, server))) return 0;
    const credentials = await complete(context, server, username, password);
    const { Status, IdentityToken } = await engine.system.login({ ...credentials, serveraddress: server });
    const kept: Credentials = IdentityToken
      ? { username: credentials.username, identitytoken: IdentityToken }
      : credentials;
    const file = keepCredentials(context.globals, server, kept);
    if (file !== undefined) {
      context.stderr.write(
        `\nWARNING! Your credentials are stored unencrypted in '${file}'.\nConfigure a credential helper to remove this warning.\n\n`,
      );
    }
    context.stdout.write(`${Status}\n`);
    return 0;
  },
};

async function givenPassword(context: Context, values: Values): Promise<string | undefined> {
  const [password, username] = [values.text('password'), values.text('username')];
  if (!values.on('password-stdin')) {
    if (password !== undefined) {
      context.stderr.write('WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n');
    }
    return password;
  }
  if (password !== undefined) throw new ExitError(1, '--password and --password-stdin are mutually exclusive');
  if (!username) throw new ExitError(1, 'the --password-stdin option requires --username to be set');
  const pieces: Buffer[] = [];
  for await (const piece of context.stdin) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces)
    .toString()
    .replace(/\r?\n$/, '');
}

/** Tries what was kept at the last login. */
async function loginAgain(context: Context, engine: EngineClient, server: string): Promise<boolean> {
  const stored = storedCredentials(context.globals, server);
  if (!stored) return false;
  const named = stored.username ? ` [Username: ${stored.username}]` : '';
  context.stdout.write(`Authenticating with existing credentials...${named}\n`);
  try {
    const { Status } = await engine.system.login({ ...stored, serveraddress: server });
    context.stdout.write(`\n${Status}\n`);
    return true;
  } catch (error) {
    context.stderr.write(`Login did not succeed, error: ${error instanceof Error ? error.message : String(error)}\n`);
    return false;
  }
}

async function complete(
  context: Context,
  server: string,
  username: string | undefined,
  password: string | undefined,
): Promise<{ readonly username: string; readonly password: string }> {
  if (username && password) return { username, password };
  if (!context.stdin.isTTY) throw new ExitError(1, 'Error: Cannot perform an interactive login from a non TTY device');
  if (server === HUB) context.stdout.write('Log in with the user name and an access token of the registry.\n');
  const name = username || (await ask(context, 'Username: ', false));
  if (name === '') throw new ExitError(1, 'Error: Non-null Username Required');
  const secret = password || (await ask(context, 'Password: ', true));
  if (secret === '') throw new ExitError(1, 'Error: Password Required');
  return { username: name, password: secret };
}

/** One line from the terminal; a hidden one is not shown. */
async function ask(context: Context, question: string, hidden: boolean): Promise<string> {
  context.stdout.write(question);
  const nowhere = new Writable({ write: (_piece, _encoding, done) => done() });
  const terminal = createInterface({ input: context.stdin, output: hidden ? nowhere : context.stdout, terminal: true });
  try {
    const answer = await terminal.question('');
    if (hidden) context.stdout.write('\n');
    return answer.trim();
  } finally {
    terminal.close();
  }
}
