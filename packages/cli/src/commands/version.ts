import { NEWEST_API_VERSION, type VersionDocument } from '@gantry/client';
import { toJson } from '@gantry/template';
import { atMost, type Command } from '../command.ts';
import { describe } from '../describe-error.ts';
import { formatFlag } from '../flags/format.ts';
import { compile } from '../render/list.ts';
import { VERSION } from '../version.ts';

export const command: Command = {
  usage: '',
  arity: atMost(0),
  flags: [formatFlag],
  async run(context, values) {
    let server: VersionDocument | undefined;
    let apiVersion = NEWEST_API_VERSION;
    let failure: unknown;
    try {
      const engine = await context.engine();
      apiVersion = engine.apiVersion ?? apiVersion;
      server = await engine.system.version();
    } catch (error) {
      failure = error;
    }
    const client = {
      Version: VERSION,
      ApiVersion: apiVersion,
      DefaultAPIVersion: NEWEST_API_VERSION,
      NodeVersion: process.version,
      Os: 'linux',
      Arch: process.arch === 'x64' ? 'amd64' : process.arch,
      Context: 'default',
    };
    const format = values.text('format');
    const document = server ? withComponents(server) : null;
    if (format === 'json') context.stdout.write(`${toJson({ Client: client, Server: document }, true)}\n`);
    else if (format) context.stdout.write(`${compile(format)(withGoNames(client, document))}\n`);
    else context.stdout.write(clientText(client) + (document ? serverText(document) : ''));
    if (failure === undefined) return 0;
    context.stderr.write(`${describe(failure, context.globals)}\n`);
    return 1;
  },
};

/** Templates name the API version as Go's type does, JSON as the API does. */
function withGoNames(client: { ApiVersion: string }, server: VersionDocument | null): Record<string, unknown> {
  return {
    Client: { ...client, APIVersion: client.ApiVersion },
    Server: server && { ...server, APIVersion: server.ApiVersion },
  };
}

type Component = { Name: string; Version: string; Details?: Record<string, string> };

/** An engine before API 1.35 lists no components: itself is the one. */
function withComponents(
  server: VersionDocument,
): VersionDocument & { Platform: { Name: string }; Components: Component[] } {
  const itself: Component = {
    Name: 'Engine',
    Version: server.Version,
    Details: {
      ApiVersion: server.ApiVersion,
      MinAPIVersion: server.MinAPIVersion ?? '',
      GitCommit: server.GitCommit,
      GoVersion: server.GoVersion,
      Os: server.Os,
      Arch: server.Arch,
      BuildTime: server.BuildTime ?? '',
      Experimental: String(server.Experimental ?? false),
    },
  };
  return { ...server, Platform: server.Platform ?? { Name: '' }, Components: server.Components ?? [itself] };
}

const line = (indent: number, name: string, width: number, value: string) =>
  `${' '.repeat(indent)}${`${name}:`.padEnd(width)}${value}\n`;

function clientText(client: {
  Version: string;
  ApiVersion: string;
  NodeVersion: string;
  Os: string;
  Arch: string;
  Context: string;
}): string {
  return (
    'Client:\n' +
    line(1, 'Version', 19, client.Version) +
    line(1, 'API version', 19, client.ApiVersion) +
    line(1, 'Node version', 19, client.NodeVersion) +
    line(1, 'OS/Arch', 19, `${client.Os}/${client.Arch}`) +
    line(1, 'Context', 19, client.Context)
  );
}

function serverText(server: { Platform: { Name: string }; Components: readonly Component[] }): string {
  let out = `\nServer:${server.Platform.Name === '' ? '' : ` ${server.Platform.Name}`}\n`;
  for (const { Name, Version, Details = {} } of server.Components) {
    out += ` ${Name}:\n${line(2, 'Version', 18, Version)}`;
    if (Name !== 'Engine') {
      for (const [key, value] of Object.entries(Details)) out += line(2, key, 18, value);
      continue;
    }
    out += line(2, 'API version', 18, `${Details.ApiVersion} (minimum version ${Details.MinAPIVersion})`);
    out += line(2, 'Go version', 18, Details.GoVersion ?? '');
    out += line(2, 'Git commit', 18, Details.GitCommit ?? '');
    out += line(2, 'Built', 18, builtAt(Details.BuildTime ?? ''));
    out += line(2, 'OS/Arch', 18, `${Details.Os}/${Details.Arch}`);
    out += line(2, 'Experimental', 18, Details.Experimental ?? 'false');
  }
  return out;
}

/** RFC 3339 to `Tue Sep 15 11:02:57 2026`; another text stays as it is. */
function builtAt(text: string): string {
  const date = new Date(text);
  if (!/^\d{4}-\d{2}-\d{2}T/.test(text) || Number.isNaN(date.getTime())) return text;
  const [weekday, day, month, year, time] = date.toUTCString().replace(',', '').split(' ');
  return `${weekday} ${month} ${day?.replace(/^0/, ' ')} ${time} ${year}`;
}
