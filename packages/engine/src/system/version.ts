import { arch, release } from 'node:os';
import type { EngineContext } from '../context.ts';

const GO_ARCH: Record<string, string> = { x64: 'amd64' };

/** The answer of GET /version, with the keys of dockerd 28.5. */
export function engineVersion({ options: { daemon } }: EngineContext): Record<string, unknown> {
  const architecture = GO_ARCH[arch()] ?? arch();
  const kernel = release();
  return {
    Platform: { Name: 'Gantry' },
    Components: [
      {
        Name: 'Engine',
        Version: daemon.version,
        Details: {
          ApiVersion: daemon.apiVersion,
          Arch: architecture,
          BuildTime: daemon.buildTime,
          Experimental: String(daemon.experimental),
          GitCommit: daemon.gitCommit,
          GoVersion: `node ${process.version}`,
          KernelVersion: kernel,
          MinAPIVersion: daemon.minApiVersion,
          Os: 'linux',
        },
      },
    ],
    Version: daemon.version,
    ApiVersion: daemon.apiVersion,
    MinAPIVersion: daemon.minApiVersion,
    GitCommit: daemon.gitCommit,
    GoVersion: `node ${process.version}`,
    Os: 'linux',
    Arch: architecture,
    KernelVersion: kernel,
    ...(daemon.experimental ? { Experimental: true } : {}),
    BuildTime: daemon.buildTime,
  };
}
