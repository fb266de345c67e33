import type { ImageConfigDocument } from '@gantry/images';
import type { ContainerConfig, Healthcheck } from '../documents/index.ts';

const isEmpty = (value: readonly unknown[] | object | null | undefined): boolean =>
  value === null || value === undefined || Object.keys(value).length === 0;

const variable = (assignment: string): string => assignment.split('=', 1)[0] ?? '';

/**
 * Completes what a client asked for with what the image says, in place: the request wins key by key for labels, ports,
 * volumes and variables; the image's command counts only when the request has neither command nor entry point.
 */
export function mergeImageConfig(config: ContainerConfig, image: ImageConfigDocument['config']): void {
  if (image) {
    config.User ||= image.User ?? '';
    if (!isEmpty(image.ExposedPorts)) {
      const ports = Object.keys(image.ExposedPorts ?? {}).map(port => [port, {}] as const);
      config.ExposedPorts = { ...config.ExposedPorts, ...Object.fromEntries(ports) };
    }
    const env = image.Env ?? null;
    if (isEmpty(config.Env)) config.Env = env && [...env];
    else {
      const given = config.Env ?? [];
      const names = new Set(given.map(variable));
      config.Env = [...given, ...(env ?? []).filter(assignment => !names.has(variable(assignment)))];
    }
    config.Labels = { ...image.Labels, ...config.Labels };
    if (isEmpty(config.Entrypoint)) {
      if (isEmpty(config.Cmd)) config.Cmd = image.Cmd ? [...image.Cmd] : null;
      if (config.Entrypoint === null) config.Entrypoint = image.Entrypoint ? [...image.Entrypoint] : null;
    }
    mergeHealthcheck(config, image.Healthcheck as Healthcheck | undefined);
    config.WorkingDir ||= image.WorkingDir ?? '';
    const volumes = Object.keys(image.Volumes ?? {}).map(path => [path, {}] as const);
    if (isEmpty(config.Volumes)) config.Volumes = isEmpty(image.Volumes) ? null : Object.fromEntries(volumes);
    else config.Volumes = { ...config.Volumes, ...Object.fromEntries(volumes) };
    if (!config.StopSignal && image.StopSignal) config.StopSignal = image.StopSignal;
  }
  // An entry point of one empty string is how a client takes the image's away.
  if (config.Entrypoint?.length === 1 && config.Entrypoint[0] === '') config.Entrypoint = null;
}

function mergeHealthcheck(config: ContainerConfig, image: Healthcheck | undefined): void {
  if (!image) return;
  const given = config.Healthcheck;
  if (!given) {
    config.Healthcheck = image;
    return;
  }
  const merged: Healthcheck = { ...image };
  if (!isEmpty(given.Test)) merged.Test = given.Test;
  for (const key of ['Interval', 'Timeout', 'StartPeriod', 'StartInterval', 'Retries'] as const) {
    if (given[key]) merged[key] = given[key];
  }
  config.Healthcheck = merged;
}
