import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { newestVersion, oldestVersion } from '@gantry/api';
import { type Engine, findKernelFeatures, openEngine, prepareAppArmor } from '@gantry/engine';
import { openImageStore, seedImages } from '@gantry/images';
import { cgroup } from '@gantry/linux';
import { type NetworkStack, openNetworkStack } from '@gantry/network';
import { adoptShim, startLauncher } from '@gantry/runtime';
import { StateStore } from '@gantry/store';
import { openVolumeStore } from '@gantry/volumes';
import type { DaemonConfig } from './config/config.ts';
import { engineId, readBuild } from './identity.ts';
import { inheritedFileLimit } from './inherited.ts';
import type { Log } from './log.ts';

/** Images that the build leaves for new stores. */
const seedDirectory = resolve(import.meta.dirname, '../../images/hello-world/build');

/**
 * Opens the rooms of the house from the bottom up, and gives the engine on top of them.
 * `current` gives the settings as they are now, for those that a reload may change.
 * What was opened is pushed on `opened`, which closes it in reverse.
 */
export async function openRooms(current: () => DaemonConfig, log: Log, opened: AsyncDisposableStack): Promise<Engine> {
  const config = current();
  const { dataRoot, execRoot } = config;
  const warn = (message: string, error?: unknown): void => log.warn(message, error);
  const store = opened.use(new StateStore(join(dataRoot, 'state.db')));
  const launcher = opened.use(await startLauncher({ onExit: why => log.error(`the launcher ended: ${why}`) }));
  const cgroupLayout = cgroup.detectCgroupLayout();
  const [images, networks, volumes, apparmor] = await Promise.all([
    openImageStore({
      root: join(dataRoot, 'images'),
      runDir: execRoot,
      store,
      storageDriver: config.storageDriver,
      registries: {
        get insecure() {
          return current().insecureRegistries;
        },
        get mirrors() {
          return current().registryMirrors;
        },
        get proxies() {
          const { httpProxy, httpsProxy, noProxy } = current();
          return { http: httpProxy, https: httpsProxy, no: noProxy };
        },
        get maxDownloadAttempts() {
          return current().maxDownloadAttempts;
        },
      },
      maxConcurrentDownloads: config.maxConcurrentDownloads,
      maxConcurrentUploads: config.maxConcurrentUploads,
    }).then(images => opened.use(images)),
    openNetworkStack({
      store,
      launcher,
      warn,
      runDir: join(execRoot, 'network'),
      bridge: config.bridge,
      bip: config.bip,
      defaultNetworkOptions: config.defaultNetworkOptions,
      hostId: engineId(dataRoot),
      iptables: config.iptables,
      ipForward: config.ipForward,
      ipForwardNoDrop: config.ipForwardNoDrop,
      defaultBridge: {
        ...config.defaultBridge,
        icc: config.icc,
        masquerade: config.ipMasquerade,
        hostBinding: config.publishAddress,
      },
      publishedPortsObeyInput: config.publishedPortsObeyInput,
      defaultAddressPools: config.defaultAddressPools,
    }).then(stack => opened.use(stack)),
    openVolumeStore({
      root: join(dataRoot, 'volumes'),
      store,
      run: (steps, slots) => launcher.run(steps, slots),
    }),
    prepareAppArmor(warn),
  ]);
  await seedImages(images, seedDirectory, warn);
  return opened.use(
    await openEngine({
      dataRoot,
      execRoot,
      store,
      launcher,
      images,
      networks,
      volumes,
      condenseAfterMs: config.condenseAfterSeconds * 1000,
      cgroup: cgroupLayout,
      adoptShim,
      log: (message, error) => (error === undefined ? log.info(message) : log.warn(message, error)),
      daemon: daemonInfo(current),
      defaults: {
        hostname: hostname(),
        ulimits: withFileLimit(config.ulimits),
        shmSizeBytes: config.shmSizeBytes,
        init: config.init,
        initPath: config.initPath,
        cgroupParent: config.cgroupParent,
        ipcMode: config.defaultIpcMode,
        cgroupnsMode: config.defaultCgroupnsMode ?? (cgroupLayout.version === 2 ? 'private' : 'host'),
        dns: config.dns,
        dnsSearch: config.dnsSearch,
        dnsOptions: config.dnsOptions,
        hostGatewayIps: config.hostGatewayIps.length > 0 ? config.hostGatewayIps : bridgeGateways(networks),
        logDriver: config.logDriver,
        logOptions: config.logOptions,
        runtimes: ['runc'],
        defaultRuntime: 'runc',
        seccompProfile: config.seccompProfile,
        noNewPrivileges: config.noNewPrivileges,
        kernel: findKernelFeatures(cgroupLayout, apparmor),
      },
    }),
  );
}

/** The limits that were configured, and that of open files as it was when the daemon was started. */
function withFileLimit(ulimits: DaemonConfig['ulimits']): DaemonConfig['ulimits'] {
  const inherited = ulimits.some(({ Name }) => Name === 'nofile') ? undefined : inheritedFileLimit(process.env);
  return inherited === undefined ? ulimits : [...ulimits, inherited];
}

/** What `host-gateway` means unless it is set: the default bridge's own addresses. */
function bridgeGateways(networks: NetworkStack): string[] {
  const bridge = networks.list().find(network => network.name === 'bridge');
  return bridge?.subnets.map(({ gateway }) => gateway).filter(gateway => gateway !== '') ?? [];
}

/** What `info` says; read through getters where a reload may change it. */
function daemonInfo(current: () => DaemonConfig): Parameters<typeof openEngine>[0]['daemon'] {
  const { dataRoot, iptables } = current();
  return {
    id: engineId(dataRoot),
    ...readBuild(),
    apiVersion: newestVersion,
    minApiVersion: oldestVersion,
    experimental: false,
    firewall: iptables ? 'nftables' : 'none',
    warnings: [],
    get labels() {
      return current().labels;
    },
    get debug() {
      return current().debug;
    },
    get liveRestore() {
      return current().liveRestore;
    },
    get httpProxy() {
      return current().httpProxy;
    },
    get httpsProxy() {
      return current().httpsProxy;
    },
    get noProxy() {
      return current().noProxy;
    },
    get insecureRegistries() {
      return current().insecureRegistries;
    },
    get registryMirrors() {
      return current().registryMirrors;
    },
  };
}
