import { ApiError, type EngineClient } from '@gantry/client';
import { compileTemplate, Nil, type Template, TemplateError } from '@gantry/template';
import type { Context } from './command.ts';
import { describe } from './describe-error.ts';
import { ExitError } from './errors.ts';
import type { Values } from './flags/parse.ts';
import { indentJson } from './render/json.ts';

export const objectTypes = ['container', 'image', 'network', 'volume'] as const;
export type ObjectType = (typeof objectTypes)[number];

type Details = { readonly size: boolean; readonly verbose: boolean; readonly platform: string | undefined };

function read(
  engine: EngineClient,
  type: ObjectType,
  ref: string,
  { size, verbose, platform }: Details,
): Promise<string> {
  switch (type) {
    case 'container':
      return engine.containers.inspectText(ref, { size });
    case 'image':
      return engine.images.inspectText(ref, platform === undefined ? {} : { platform });
    case 'network':
      return engine.networks.inspectText(ref, { verbose });
    case 'volume':
      return engine.volumes.inspectText(ref);
  }
}

/** The first object of that name among `types`, as the engine wrote it. @throws the engine's error, not found last */
async function find(
  engine: EngineClient,
  types: readonly ObjectType[],
  ref: string,
  details: Details,
): Promise<string> {
  let absent: unknown = new Error(`No such object: ${ref}`);
  for (const type of types) {
    try {
      return await read(engine, type, ref, details);
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 404)) throw error;
      absent = error;
    }
  }
  throw absent;
}

/** Prints the objects as one JSON array, or each through --format; failures follow at the end, status 1. */
export async function inspectAll(
  context: Context,
  values: Values,
  types: readonly ObjectType[],
  anyType: boolean,
): Promise<number> {
  const format = values.text('format') || undefined;
  const template = format === undefined || format === 'json' ? undefined : compileInspect(format);
  const engine = await context.engine();
  const found: string[] = [];
  const errors: string[] = [];
  let out = '';
  for (const ref of values.args) {
    try {
      const text = await find(engine, types, ref, {
        size: values.on('size'),
        verbose: values.on('verbose'),
        platform: values.text('platform') || undefined,
      });
      if (!template) found.push(text.trim());
      else out += `${template(reviveNulls(JSON.parse(text)))}\n`;
    } catch (error) {
      if (error instanceof TemplateError) {
        context.stdout.write(`${out}\n`);
        throw new ExitError(1, `template parsing error: ${error.message}`);
      }
      const absent = error instanceof ApiError && error.status === 404;
      errors.push(anyType && absent ? `Error: No such object: ${ref}` : describe(error, context.globals));
    }
  }
  if (template) context.stdout.write(found.length === 0 && out === '' ? '\n' : out);
  else if (format === 'json') context.stdout.write(`[${found.join(',')}]\n`);
  else context.stdout.write(found.length === 0 ? '[]\n' : `${indentJson(`[${found.join(',')}]`, '    ')}\n`);
  if (errors.length > 0) throw new ExitError(1, errors.join('\n'));
  return 0;
}

function compileInspect(format: string): Template {
  try {
    return compileTemplate(format);
  } catch (error) {
    if (error instanceof TemplateError) throw new ExitError(64, `template parsing error: ${error.message}`);
    throw error;
  }
}

const NIL_MAPS = new Set([
  'Labels',
  'Volumes',
  'ExposedPorts',
  'Ports',
  'PortBindings',
  'DriverOpts',
  'Options',
  'Sysctls',
  'Data',
  'Tmpfs',
  'StorageOpt',
  'Annotations',
]);
const NIL_POINTERS = new Set([
  'Init',
  'OomKillDisable',
  'PidsLimit',
  'MemorySwappiness',
  'Health',
  'Healthcheck',
  'IPAMConfig',
  'IPAM',
  'Config',
  'StopTimeout',
]);

/** Docker leaves these out when they are empty, and its templates still know them. */
const LEFT_OUT: Readonly<Record<string, readonly string[]>> = {
  State: ['Health'],
  Config: ['Healthcheck', 'ExposedPorts', 'StopTimeout', 'Shell'],
  HostConfig: ['Init', 'Tmpfs', 'Sysctls', 'Mounts', 'StorageOpt', 'Annotations'],
};

/** Gives each null the text that Go prints for it, which knows whether it is a list, a map or a pointer. */
export function reviveNulls(value: unknown, key = ''): unknown {
  if (value === null) return nilOf(key);
  if (Array.isArray(value)) return value.map(item => reviveNulls(item));
  if (typeof value !== 'object') return value;
  const pairs = Object.entries(value as Record<string, unknown>).map(
    ([name, item]) => [name, reviveNulls(item, name)] as const,
  );
  const missing = (LEFT_OUT[key] ?? []).filter(name => !Object.hasOwn(value as object, name));
  return Object.fromEntries([...pairs, ...missing.map(name => [name, nilOf(name)] as const)]);
}

function nilOf(key: string): Nil {
  return new Nil(NIL_MAPS.has(key) ? 'map[]' : NIL_POINTERS.has(key) ? '<nil>' : '[]');
}
