import { writeFile } from 'node:fs/promises';
import { conflict, forbidden, GantryError, invalidParameter, messageOf, systemError } from '@gantry/errors';
import { netlink } from '@gantry/linux';
import {
  type Endpoint,
  type NetworkRecord,
  resolverRuleSteps,
  resolverSocketSteps,
  sysctlFailure,
} from '@gantry/network';
import type { Step, StepFailure } from '@gantry/runtime';
import type { EngineContext } from '../context.ts';
import type { EndpointSettings } from '../documents/index.ts';
import { internalResolvConfText } from '../spec/index.ts';
import { isUserDefinedNetwork } from '../validate/modes.ts';
import type { Container, Run } from './container.ts';
import {
  addressWishes,
  checkEndpointSettings,
  checkLinkLocal,
  choosesCongestion,
  InterfaceNames,
  interfaceSysctls,
} from './endpoint-settings.ts';
import { gatewayEndpoints } from './gateways.ts';
import { openLinks, openToLinking } from './link-changes.ts';
import { sharedWith } from './networks.ts';
import { startResolver } from './resolver.ts';

const CLONE_NEWNET = 0x40000000;
const O_CLOEXEC = 0o2000000;
const EEXIST = 17;
const ESRCH = 3;

/** Puts a container on one more network; one that runs gets its link at once. @throws forbidden, invalidParameter, conflict */
export function connectNetwork(
  context: EngineContext,
  container: Container,
  network: NetworkRecord,
  settings: Partial<EndpointSettings>,
): Promise<void> {
  return context.jobs.run('network.connect', container.id, () =>
    container.lock.run(async () => {
      const { document } = container;
      if (container.removalBegan)
        throw conflict(`container ${document.id} is marked for removal and cannot be connected`);
      refuseModes(container, network, 'connected to');
      checkEndpointSettings(network, settings, '');
      if (document.networks[network.name]) {
        throw forbidden(`endpoint with name ${document.name} already exists in network ${network.name}`);
      }
      checkLinkLocal(settings, '');
      document.networks = { ...document.networks, [network.name]: settings };
      let endpoint: Endpoint | undefined;
      try {
        endpoint = await join(context, container, network, settings);
      } catch (error) {
        const { [network.name]: _, ...others } = document.networks;
        document.networks = others;
        await context.storage
          .updateDocument(container)
          .catch(failed => context.log(`undo the connection of ${document.id}`, failed));
        throw error;
      } finally {
        container.summary = undefined;
      }
      context.networkEvent('connect', { id: network.id, name: network.name, type: network.driver }, container.id);
      // Behind the answer: it may read the rules of other programs, which takes longer than the link did.
      if (container.run && endpoint) void context.options.networks.started(endpoint, container.run.shim.pid);
    }),
  );
}

/**
 * Writes the document and makes the link at the same time. An engine that is killed between the two leaves a network without an
 * endpoint, which {@link forgetHalfConnected} takes back, or a link that nobody knows, which the next start deletes.
 */
async function join(
  context: EngineContext,
  container: Container,
  network: NetworkRecord,
  settings: Partial<EndpointSettings>,
): Promise<Endpoint | undefined> {
  const { run } = container;
  const before = run && gatewayEndpoints(context, container, run.facts.endpoints);
  const plugged = async (): Promise<Endpoint | undefined> => {
    if (!run) return undefined;
    const endpoint = await plugIn(context, container, run, network, settings);
    await context.storage.saveFacts(container);
    return endpoint;
  };
  const [written, made] = await Promise.allSettled([context.storage.updateDocument(container), plugged()]);
  if (made.status === 'rejected') throw made.reason;
  if (written.status === 'fulfilled') return made.value;
  if (run && before) {
    await unplug(context, container, run, network, before).catch(error =>
      context.log(`undo the connection of ${container.id}`, error),
    );
  }
  throw written.reason;
}

/** Takes networks back which a running container never got onto, or was leaving, when an engine before this one ended. */
export async function forgetHalfConnected(context: EngineContext, container: Container): Promise<void> {
  const { document, facts } = container;
  const endpoints = facts.run?.endpoints ?? [];
  const has = (name: string): boolean =>
    endpoints.some(({ networkName, networkId }) => networkName === name || networkId === name);
  const half = Object.keys(document.networks).filter(name => !has(name));
  if (half.length === 0) return;
  document.networks = Object.fromEntries(Object.entries(document.networks).filter(([name]) => has(name)));
  for (const name of half) delete facts.networkIds[name];
  await context.storage.updateDocument(container);
}

/** Takes a container off a network. @throws forbidden when it is not on it */
export function disconnectNetwork(context: EngineContext, container: Container, network: NetworkRecord): Promise<void> {
  return context.jobs.run('network.disconnect', container.id, () =>
    container.lock.run(async () => {
      const { document, facts } = container;
      refuseModes(container, network, 'disconnected from');
      const key = Object.keys(document.networks).find(name => name === network.name || name === network.id);
      if (key === undefined) {
        throw forbidden(`container ${document.id} is not connected to network ${network.name}`);
      }
      // While the priority of the one that goes is known.
      const before = gatewayEndpoints(context, container, container.run?.facts.endpoints ?? []);
      const { [key]: _, ...others } = document.networks;
      document.networks = others;
      delete facts.networkIds[key];
      if (container.run) await unplug(context, container, container.run, network, before);
      await context.storage.updateDocument(container);
      container.summary = undefined;
      context.networkEvent('disconnect', { id: network.id, name: network.name, type: network.driver }, container.id);
    }),
  );
}

function refuseModes({ document }: Container, network: NetworkRecord, what: string): void {
  const { NetworkMode } = document.hostConfig;
  if (sharedWith(NetworkMode) !== undefined) {
    throw invalidParameter(
      'container sharing network namespace with another container or host cannot be connected to any other network',
    );
  }
  if (network.driver === 'host' || NetworkMode === 'host') {
    throw forbidden(
      what === 'connected to'
        ? 'cannot connect container to host network - container must be created in host network mode'
        : 'cannot disconnect container from host network - container was created in host network mode',
    );
  }
  if (what === 'connected to' && (NetworkMode === 'none' || network.name === 'none')) {
    throw forbidden(
      'container cannot be connected to multiple networks with one of the networks in private (none) mode',
    );
  }
}

async function plugIn(
  context: EngineContext,
  container: Container,
  run: Run,
  network: NetworkRecord,
  settings: Partial<EndpointSettings>,
): Promise<Endpoint> {
  const { networks } = context.options;
  const { shim, facts } = run;
  const before = gatewayEndpoints(context, container, facts.endpoints);
  const name = new InterfaceNames(facts.endpoints).next(network, settings);
  const { endpoint, parent } = await networks.attach({
    networkId: network.id,
    containerId: container.id,
    containerName: container.name,
    macAddress: settings.MacAddress || undefined,
    ...addressWishes(settings),
    interfaceName: name,
    sysctls: interfaceSysctls(settings, name),
    ownCongestion: choosesCongestion(container.document.hostConfig),
    ports: [],
  });
  try {
    const after = gatewayEndpoints(context, container, [...facts.endpoints, endpoint]);
    const inside = (index: number): Step[] => [
      ...(after.ipv4 === endpoint && before.ipv4 ? [route([netlink.deleteRoute({ family: 4 })], [ESRCH])] : []),
      ...(after.ipv6 === endpoint && before.ipv6 ? [route([netlink.deleteRoute({ family: 6 })], [ESRCH])] : []),
      ...networks.containerSide(endpoint, name, index, {
        ipv4: after.ipv4 === endpoint,
        ipv6: after.ipv6 === endpoint,
      }),
    ];
    await plug([...parent.map(step => forPid(step, shim.pid)), ...enter(shim.pid)], inside, name, context, run);
    facts.endpoints = [...facts.endpoints, endpoint];
    if (network.name === 'bridge') await linkAgain(context, container);
    container.facts.networkIds[network.name] = network.id;
    if (isUserDefinedNetwork(network.name)) await resolve(context, container, run);
    return endpoint;
  } catch (error) {
    facts.endpoints = facts.endpoints.filter(one => one !== endpoint);
    await networks.unplug(endpoint, enter(shim.pid)).catch(() => {});
    await networks.detach(endpoint);
    throw explained(container, network, endpoint, error);
  }
}

/**
 * Makes a link and sets it up in one exchange, by the index that the kernel most likely gives it: they rise, and only the
 * program inside can have taken some. Where that was wrong, the kernel is asked.
 */
async function plug(
  made: readonly Step[],
  inside: (index: number) => readonly Step[],
  name: string,
  { options }: EngineContext,
  run: Run,
): Promise<void> {
  const { launcher, networks } = options;
  const entered = enter(run.shim.pid);
  const guess = run.nextLinkIndex ?? networks.firstLinkIndex + run.facts.endpoints.length;
  // Named as it is named already: fails when the index is another link's, or nobody's.
  const check: Step = { op: 'netlink', protocol: 0, message: encoded(netlink.setLink({ index: guess, name }, {})) };
  try {
    run.nextLinkIndex = guess + 1;
    await launcher.run([...made, check, ...inside(guess)]);
  } catch (error) {
    run.nextLinkIndex = undefined;
    const failed = error instanceof GantryError ? (error.cause as Partial<StepFailure> | undefined) : undefined;
    if (failed?.step !== check) throw error;
    const index = linkIndexIn(await launcher.run([...entered, askForLink(name)]), entered.length, name);
    if (index === undefined) throw systemError(`the link ${name} vanished right after it was made`);
    run.nextLinkIndex = index + 1;
    await launcher.run([...entered, ...inside(index)]);
  }
}

function encoded(message: netlink.Message): Uint8Array {
  return netlink.encode([message]).bytes;
}

/** What links open on the default bridge, for a container that got onto it again. */
async function linkAgain(context: EngineContext, container: Container): Promise<void> {
  await openLinks(context, container);
  await openToLinking(context, container);
}

/** The network's own words for a failure at one of its steps. */
function explained(container: Container, network: NetworkRecord, endpoint: Endpoint, error: unknown): GantryError {
  const failure = error instanceof GantryError ? (error.cause as Partial<StepFailure> | undefined) : undefined;
  const refused = failure?.step && sysctlFailure(endpoint, failure.step, failure.errno ?? 0);
  if (refused) return systemError(refused, { cause: error });
  if (error instanceof GantryError && failure?.step?.op !== 'netlink') return error;
  return systemError(`connecting container ${container.name} to network ${network.name}: ${messageOf(error)}`, {
    cause: error,
  });
}

/** From its first user-defined network on, a container asks our resolver. */
async function resolve(context: EngineContext, container: Container, run: Run): Promise<void> {
  if (!run.resolver) {
    await run.shim.hold(resolverSocketSteps);
    await context.options.launcher.run([...enter(run.shim.pid), ...resolverRuleSteps]);
    const path = container.facts.etc?.resolvConf;
    // In place, since the file itself is mounted in the container.
    if (path) await writeFile(path, internalResolvConfText(container.document.hostConfig, context.options.defaults));
  }
  await startResolver(context, container, run);
}

async function unplug(
  context: EngineContext,
  container: Container,
  run: Run,
  network: NetworkRecord,
  before: ReturnType<typeof gatewayEndpoints>,
): Promise<void> {
  const { networks } = context.options;
  const { facts, shim } = run;
  const endpoint = facts.endpoints.find(({ networkId }) => networkId === network.id);
  if (!endpoint) return;
  context.names.leave(endpoint);
  facts.endpoints = facts.endpoints.filter(one => one !== endpoint);
  // Before the link goes: an engine that is killed in between finds a link that nobody knows, never an endpoint without one.
  await context.storage.saveFacts(container);
  if (network.name === 'bridge') await openToLinking(context, container);
  await networks.unplug(endpoint, enter(shim.pid));
  await networks.detach(endpoint);
  const after = gatewayEndpoints(context, container, facts.endpoints);
  for (const family of ['ipv4', 'ipv6'] as const) {
    const next = after[family];
    if (before[family] === endpoint && next) await leadThrough(context, run, next, family);
  }
}

/** Leads a default route of a running container through another of its links. */
async function leadThrough(
  context: EngineContext,
  { shim }: Run,
  endpoint: Endpoint,
  family: 'ipv4' | 'ipv6',
): Promise<void> {
  const { networks, launcher } = context.options;
  const name = endpoint.interfaceName ?? 'eth0';
  const entered = enter(shim.pid);
  const index = linkIndexIn(await launcher.run([...entered, askForLink(name)]), entered.length, name);
  const steps = networks.defaultRoutes(endpoint, index, { ipv4: family === 'ipv4', ipv6: family === 'ipv6' });
  await launcher.run([
    ...entered,
    // The program inside may have made one of its own.
    ...steps.map(step => (step.op === 'netlink' ? { ...step, ignore: [EEXIST] } : step)),
  ]);
}

function askForLink(name: string): Step {
  return { op: 'netlink', protocol: 0, message: encoded(netlink.getLink({ name })), reply: true };
}

/** The index of a link in the answer to step `at` of a host plan. */
function linkIndexIn(answers: ReadonlyMap<number, Buffer>, at: number, name: string): number | undefined {
  const answer = answers.get(at);
  if (!answer) return undefined;
  return netlink
    .parseMessages(answer)
    .map(netlink.parseLink)
    .find(link => link?.name === name)?.index;
}

/** From here on the helper works in the network namespace of the container's first process. */
function enter(pid: number): Step[] {
  return [
    { op: 'open', slot: 0, path: `/proc/${pid}/ns/net`, flags: O_CLOEXEC },
    { op: 'setns', slot: 0, flags: CLONE_NEWNET },
  ];
}

function route(messages: readonly netlink.Message[], ignore: readonly number[]): Step {
  return { op: 'netlink', protocol: 0, message: netlink.encode(messages).bytes, ignore };
}

/** A step for a child that is known already. */
function forPid(step: Step, pid: number): Step {
  if (step.op !== 'netlink' || step.pidAt === undefined) return step;
  const { pidAt, ...rest } = step;
  const message = Buffer.from(step.message);
  message.writeUInt32LE(pid, pidAt);
  return { ...rest, message };
}
