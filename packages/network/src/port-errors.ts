import { type GantryError, systemError } from '@gantry/errors';
import { describeErrno, probePort } from '@gantry/linux';
import type { LaunchFailure, Step } from '@gantry/runtime';
import { hostLinkName } from './bridge-endpoint.ts';
import type { Endpoint } from './face.ts';
import { PortTaken } from './ports.ts';

const ENOENT = 2;

/** Docker's error when a container's ports cannot be published. */
export function externalConnectivityError(containerName: string, endpointId: string, cause: unknown): GantryError {
  const detail = cause instanceof Error ? cause.message : String(cause);
  return systemError(
    `failed to set up container networking: driver failed programming external connectivity on endpoint ${containerName} (${endpointId}): ${detail}`,
    {
      cause,
      exitCode: 125,
      hint:
        cause instanceof PortTaken
          ? 'publish another port, or remove the container that has it'
          : 'publish another port, or end the process that has it',
    },
  );
}

/** Docker's error for a launch that failed at one of an endpoint's steps; undefined when the step is not one of them. */
export function explainLaunchFailure(
  endpoint: Endpoint,
  containerName: string,
  { step, errno }: LaunchFailure,
): GantryError | undefined {
  if (step?.op === 'hostSocket') {
    const { protocol } = step;
    const { address, port } = refusedPort(step);
    const published = endpoint.ports.find(
      one => one.hostIp === address && one.hostPort === port && one.protocol === protocol,
    );
    if (!published) return undefined;
    const host = address.includes(':') ? `[${address}]` : address;
    const target = `${endpoint.ipv4?.address ?? ''}:${published.containerPort}/${protocol}`;
    return externalConnectivityError(
      containerName,
      endpoint.id,
      new Error(`failed to bind host port for ${host}:${port}:${target}: ${describeErrno(errno)}`),
    );
  }
  const refused = sysctlFailure(endpoint, step, errno);
  if (refused) return systemError(`failed to set up container networking: ${refused}`, { exitCode: 125 });
  if (step?.op !== 'netlink') return undefined;
  return systemError(
    `failed to set up container networking: failed to create endpoint ${containerName} on network ${endpoint.networkName}: ${describeErrno(errno)}`,
    { exitCode: 125 },
  );
}

/** Which one of a step's ports, on which of its families, cannot be had: the first, when all can by now. */
function refusedPort(step: Extract<Step, { op: 'hostSocket' }>): { readonly address: string; readonly port: number } {
  const addresses = step.bothFamilies ? ['0.0.0.0', step.address] : [step.address];
  for (let port = step.port; port < step.port + (step.count ?? 1); port++) {
    for (const address of addresses)
      if (probePort(step.protocol, address, port) !== undefined) return { address, port };
  }
  return { address: addresses[0] ?? step.address, port: step.port };
}

/** Docker's words for a kernel setting of an endpoint that was refused; undefined when the step was another. */
export function sysctlFailure({ sysctls, id }: Endpoint, step: Step | undefined, errno: number): string | undefined {
  if (step?.op !== 'writeFile' || !sysctls?.length || !step.path.startsWith('/proc/sys/net/')) return undefined;
  const why = errno === ENOENT ? 'is not a sysctl file' : `cannot be set to ${step.data}: ${describeErrno(errno)}`;
  return `failed to add interface ${hostLinkName(id)} to sandbox: ${step.path} ${why}`;
}
