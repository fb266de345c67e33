import type { ImageConfigDocument } from '@gantry/images';
import type { ContainerConfig, HostConfig } from '../documents/index.ts';
import type { ContainerMount } from './mount-model.ts';

/** What the spec of a container is made from. */
export type SpecContainer = {
  readonly id: string;
  /** Without a leading slash. */
  readonly name: string;
  /** Nanoseconds since the epoch. */
  readonly createdNs: bigint;
  readonly config: ContainerConfig;
  readonly hostConfig: HostConfig;
  readonly mounts: readonly ContainerMount[];
  readonly imageConfig: ImageConfigDocument['config'];
};

/** The program of a container and its arguments: entry point, then command. */
export function commandLine({ Entrypoint, Cmd }: ContainerConfig): string[] {
  return [...(Entrypoint ?? []), ...(Cmd ?? [])];
}
