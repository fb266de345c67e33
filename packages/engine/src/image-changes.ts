import { posix } from 'node:path';
import { invalidParameter } from '@gantry/errors';
import type { ImageConfigDocument } from '@gantry/images';
import type { Healthcheck } from './documents/index.ts';
import { parseGoDuration } from './filters.ts';

type Config = {
  -readonly [Key in keyof NonNullable<ImageConfigDocument['config']>]: NonNullable<ImageConfigDocument['config']>[Key];
};

/**
 * The image configuration that Dockerfile instructions like `CMD ["sh"]` describe (`docker import --change`).
 * @throws invalidParameter for an instruction that import does not take
 */
export function parseImageChanges(changes: readonly string[]): ImageConfigDocument['config'] {
  return applyImageChanges({}, changes);
}

/** A configuration after such instructions (`docker commit --change`). @throws invalidParameter */
export function applyImageChanges(
  config: NonNullable<ImageConfigDocument['config']>,
  changes: readonly string[],
): NonNullable<ImageConfigDocument['config']> {
  const changed: Config = { ...config };
  let hasCommand = false;
  for (const change of changes) {
    apply(changed, change.trim());
    if (/^\s*cmd\s/i.test(change)) hasCommand = true;
    // A new entry point does not want the old one's arguments.
    else if (/^\s*entrypoint\s/i.test(change) && !hasCommand) changed.Cmd = null;
  }
  return changed;
}

function apply(config: Config, change: string): void {
  if (change === '' || change.startsWith('#')) return;
  const [, instruction = '', rest = ''] = /^(\S+)\s*([\s\S]*)$/.exec(change) ?? [];
  const name = instruction.toUpperCase();
  if (rest === '') checkNeedsArguments(name);
  switch (name) {
    case 'CMD':
      config.Cmd = command(rest);
      return;
    case 'ENTRYPOINT':
      config.Entrypoint = command(rest);
      return;
    case 'ENV':
      for (const [key, value] of pairs(rest)) {
        const others = (config.Env ?? []).filter(assignment => !assignment.startsWith(`${key}=`));
        config.Env = [...others, `${key}=${value}`];
      }
      return;
    case 'LABEL':
      config.Labels = { ...config.Labels, ...Object.fromEntries(pairs(rest)) };
      return;
    case 'EXPOSE':
      config.ExposedPorts = { ...config.ExposedPorts, ...Object.fromEntries(words(rest).map(exposed)) };
      return;
    case 'VOLUME':
      config.Volumes = {
        ...config.Volumes,
        ...Object.fromEntries((jsonList(rest) ?? words(rest)).map(path => [path, {}])),
      };
      return;
    case 'ONBUILD':
      config.OnBuild = [...(config.OnBuild ?? []), rest];
      return;
    case 'USER':
      config.User = rest;
      return;
    case 'WORKDIR':
      config.WorkingDir = posix.resolve('/', config.WorkingDir ?? '', rest);
      return;
    case 'HEALTHCHECK':
      config.Healthcheck = healthcheck(rest);
      return;
    case 'STOPSIGNAL':
      config.StopSignal = rest;
      return;
    default:
      throw invalidParameter(`${name} is not a valid change command`);
  }
}

/** @throws invalidParameter for an instruction that says nothing without arguments */
function checkNeedsArguments(instruction: string): void {
  if (['ENV', 'LABEL', 'EXPOSE', 'VOLUME', 'ONBUILD', 'HEALTHCHECK'].includes(instruction))
    throw invalidParameter(`${instruction} requires at least one argument`);
  if (['USER', 'WORKDIR', 'STOPSIGNAL'].includes(instruction))
    throw invalidParameter(`${instruction} requires exactly one argument`);
}

/** Flags of HEALTHCHECK that take a time, and what they are in an image configuration. */
const HEALTH_TIMES: Readonly<Record<string, 'Interval' | 'Timeout' | 'StartPeriod' | 'StartInterval'>> = {
  interval: 'Interval',
  timeout: 'Timeout',
  'start-period': 'StartPeriod',
  'start-interval': 'StartInterval',
};
const SHORTEST_NS = 1_000_000n;

/** `[--interval=TIME ...] CMD ...`, or `NONE`. @see Dockerfile reference, HEALTHCHECK */
function healthcheck(text: string): Healthcheck {
  const health: Healthcheck = { Test: [] };
  let rest = text;
  for (let flag = /^--([\w-]+)=(\S*)\s*/.exec(rest); flag; flag = /^--([\w-]+)=(\S*)\s*/.exec(rest)) {
    const [all, name = '', value = ''] = flag;
    rest = rest.slice(all.length);
    const time = HEALTH_TIMES[name];
    if (time !== undefined) health[time] = healthTime(name, value);
    else if (name !== 'retries') throw invalidParameter(`unknown flag: --${name}`);
    else if (/^-\d+$/.test(value)) throw invalidParameter(`--retries cannot be negative (${value})`);
    else if (/^\d+$/.test(value)) health.Retries = Number(value);
    else throw invalidParameter(`strconv.ParseInt: parsing ${JSON.stringify(value)}: invalid syntax`);
  }
  const [, kind = '', program = ''] = /^(\S*)\s*([\s\S]*)$/.exec(rest) ?? [];
  switch (kind.toUpperCase()) {
    case 'NONE':
      if (program !== '') throw invalidParameter('HEALTHCHECK NONE takes no arguments');
      health.Test = ['NONE'];
      return health;
    case 'CMD': {
      if (program === '') throw invalidParameter('Missing command after HEALTHCHECK CMD');
      const list = jsonList(program);
      health.Test = list ? ['CMD', ...list] : ['CMD-SHELL', program];
      return health;
    }
    case '':
      throw invalidParameter('HEALTHCHECK requires at least one argument');
    default:
      throw invalidParameter(`Unknown type ${JSON.stringify(kind.toUpperCase())} in HEALTHCHECK (try CMD)`);
  }
}

function healthTime(flag: string, text: string): number {
  if (text === '') return 0;
  const time = parseGoDuration(text);
  if (time === undefined) throw invalidParameter(`time: invalid duration ${JSON.stringify(text)}`);
  if (time !== 0n && time < SHORTEST_NS)
    throw invalidParameter(`Interval ${JSON.stringify(flag)} cannot be less than 1ms`);
  return Number(time);
}

function jsonList(text: string): string[] | undefined {
  if (!text.startsWith('[')) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (Array.isArray(value) && value.every(item => typeof item === 'string')) return value;
  } catch {
    // Then it is a shell command that begins with a bracket.
  }
  return undefined;
}

const command = (text: string): string[] => jsonList(text) ?? ['/bin/sh', '-c', text];

/** Words, with quotes and backslashes taken as a shell does. */
function words(text: string): string[] {
  const found: string[] = [];
  for (const [word] of text.matchAll(/(?:"(?:\\.|[^"\\])*"|'[^']*'|\\.|[^\s"'\\])+/g)) {
    found.push(
      word.replace(
        /"((?:\\.|[^"\\])*)"|'([^']*)'|\\(.)/g,
        (_all, double?: string, single?: string, escaped?: string) =>
          double !== undefined ? double.replace(/\\(["\\$])/g, '$1') : (single ?? escaped ?? ''),
      ),
    );
  }
  return found;
}

/** `A=1 B="2 3"`, or the old form `A 1 2`. */
function pairs(text: string): [string, string][] {
  const [first = ''] = text.split(/\s/);
  if (!first.includes('=')) return [[first, text.slice(first.length).trim()]];
  return words(text).map(word => {
    const equals = word.indexOf('=');
    if (equals <= 0)
      throw invalidParameter(`Syntax error - can't find = in "${word}". Must be of the form: name=value`);
    return [word.slice(0, equals), word.slice(equals + 1)];
  });
}

function exposed(port: string): [string, Record<string, never>] {
  if (!/^\d+(-\d+)?(\/(tcp|udp|sctp))?$/.test(port)) throw invalidParameter(`invalid containerPort: ${port}`);
  return [port.includes('/') ? port : `${port}/tcp`, {}];
}
