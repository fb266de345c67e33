import type { Command } from '../command.ts';

export type Entry = {
  readonly summary: string;
  /** All the spellings, the one under `container` or `image` first. */
  readonly spellings: readonly string[];
  load(): Promise<{ readonly command: Command }>;
};

const entry = (summary: string, spellings: string, load: () => Promise<{ readonly command: Command }>): Entry => ({
  summary,
  spellings: spellings.split(', '),
  load,
});

/** Every command of the first level; its file is loaded when it is used. */
export const entries: readonly Entry[] = [
  entry('Create and run a new container from an image', 'container run, run', () => import('./container/run.ts')),
  entry('Execute a command in a running container', 'container exec, exec', () => import('./container/exec.ts')),
  entry('List containers', 'container ls, container list, container ps, ps', () => import('./container/ls.ts')),
  entry('Download an image from a registry', 'image pull, pull', () => import('./image/pull.ts')),
  entry('List images', 'image ls, image list, images', () => import('./image/ls.ts')),
  entry('Show the Gantry version information', 'version', () => import('./version.ts')),
  entry('Display system-wide information', 'system info, info', () => import('./system/info.ts')),
  entry(
    'Attach local standard input, output, and error streams to a running container',
    'container attach, attach',
    () => import('./container/attach.ts'),
  ),
  entry(
    "Create a new image from a container's changes",
    'container commit, commit',
    () => import('./container/commit.ts'),
  ),
  entry(
    'Copy files/folders between a container and the local filesystem',
    'container cp, cp',
    () => import('./container/cp.ts'),
  ),
  entry('Create a new container', 'container create, create', () => import('./container/create.ts')),
  entry('Run the engine, or stop the one that runs', 'daemon', () => import('./daemon.ts')),
  entry(
    "Inspect changes to files or directories on a container's filesystem",
    'container diff, diff',
    () => import('./container/diff.ts'),
  ),
  entry('Get real time events from the server', 'system events, events', () => import('./system/events.ts')),
  entry(
    "Export a container's filesystem as a tar archive",
    'container export, export',
    () => import('./container/export.ts'),
  ),
  entry(
    'Import the contents from a tarball to create a filesystem image',
    'image import, import',
    () => import('./image/import.ts'),
  ),
  entry('Show the history of an image', 'image history, history', () => import('./image/history.ts')),
  entry('Authenticate to a registry', 'login', () => import('./registry/login.ts')),
  entry('Log out from a registry', 'logout', () => import('./registry/logout.ts')),
  entry('Search an index for images', 'search', () => import('./registry/search.ts')),
  entry(
    'Display a live stream of container(s) resource usage statistics',
    'container stats, stats',
    () => import('./container/stats.ts'),
  ),
  entry('Remove all stopped containers', 'container prune', () => import('./container/prune.ts')),
  entry('Remove unused images', 'image prune', () => import('./image/prune.ts')),
  entry('Show what the engine does and did, and where the time went', 'system jobs', () => import('./system/jobs.ts')),
  entry('Show disk usage', 'system df', () => import('./system/df.ts')),
  entry('Remove unused data', 'system prune', () => import('./system/prune.ts')),
  entry('Return low-level information on Docker objects', 'inspect', () => import('./inspect.ts')),
  entry('Kill one or more running containers', 'container kill, kill', () => import('./container/kill.ts')),
  entry('Load an image from a tar archive or STDIN', 'image load, load', () => import('./image/load.ts')),
  entry('Fetch the logs of a container', 'container logs, logs', () => import('./container/logs.ts')),
  entry(
    'Pause all processes within one or more containers',
    'container pause, pause',
    () => import('./container/pause.ts'),
  ),
  entry(
    'List port mappings or a specific mapping for the container',
    'container port, port',
    () => import('./container/port.ts'),
  ),
  entry(
    'Show what made an image large, and what a smaller one would drop',
    'image explain',
    () => import('./image/explain.ts'),
  ),
  entry(
    'List what refers to an image at its registry: signatures, contents, attestations',
    'image referrers',
    () => import('./image/referrers.ts'),
  ),
  entry('Upload an image to a registry', 'image push, push', () => import('./image/push.ts')),
  entry('Rename a container', 'container rename, rename', () => import('./container/rename.ts')),
  entry('Restart one or more containers', 'container restart, restart', () => import('./container/restart.ts')),
  entry('Remove one or more containers', 'container rm, container remove, rm', () => import('./container/rm.ts')),
  entry('Remove one or more images', 'image rm, image remove, rmi', () => import('./image/rm.ts')),
  entry(
    'Save one or more images to a tar archive (streamed to STDOUT by default)',
    'image save, save',
    () => import('./image/save.ts'),
  ),
  entry('Start one or more stopped containers', 'container start, start', () => import('./container/start.ts')),
  entry('Stop one or more running containers', 'container stop, stop', () => import('./container/stop.ts')),
  entry('Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE', 'image tag, tag', () => import('./image/tag.ts')),
  entry('Display the running processes of a container', 'container top, top', () => import('./container/top.ts')),
  entry(
    'Unpause all processes within one or more containers',
    'container unpause, unpause',
    () => import('./container/unpause.ts'),
  ),
  entry(
    'Update configuration of one or more containers',
    'container update, update',
    () => import('./container/update.ts'),
  ),
  entry(
    'Block until one or more containers stop, then print their exit codes',
    'container wait, wait',
    () => import('./container/wait.ts'),
  ),
  entry(
    'Display detailed information on one or more containers',
    'container inspect',
    () => import('./container/inspect.ts'),
  ),
  entry('Display detailed information on one or more images', 'image inspect', () => import('./image/inspect.ts')),
  entry(
    'Add additional information to a local image manifest',
    'manifest annotate',
    () => import('./manifest/annotate.ts'),
  ),
  entry(
    'Create a local manifest list for annotating and pushing to a registry',
    'manifest create',
    () => import('./manifest/create.ts'),
  ),
  entry('Display an image manifest, or manifest list', 'manifest inspect', () => import('./manifest/inspect.ts')),
  entry('Push a manifest list to a repository', 'manifest push', () => import('./manifest/push.ts')),
  entry('Delete one or more manifest lists from local storage', 'manifest rm', () => import('./manifest/rm.ts')),
  entry('Connect a container to a network', 'network connect', () => import('./network/connect.ts')),
  entry('Create a network', 'network create', () => import('./network/create.ts')),
  entry('Disconnect a container from a network', 'network disconnect', () => import('./network/disconnect.ts')),
  entry('Draw the way of a packet, and where it is dropped', 'network explain', () => import('./network/explain.ts')),
  entry(
    'Display detailed information on one or more networks',
    'network inspect',
    () => import('./network/inspect.ts'),
  ),
  entry('List networks', 'network ls, network list', () => import('./network/ls.ts')),
  entry('Remove all unused networks', 'network prune', () => import('./network/prune.ts')),
  entry('Remove one or more networks', 'network rm, network remove', () => import('./network/rm.ts')),
  entry('Create a volume', 'volume create', () => import('./volume/create.ts')),
  entry('Display detailed information on one or more volumes', 'volume inspect', () => import('./volume/inspect.ts')),
  entry('List volumes', 'volume ls, volume list', () => import('./volume/ls.ts')),
  entry('Remove unused local volumes', 'volume prune', () => import('./volume/prune.ts')),
  entry('Remove one or more volumes', 'volume rm, volume remove', () => import('./volume/rm.ts')),
  entry('Update a volume (cluster volumes only)', 'volume update', () => import('./volume/update.ts')),
  entry(
    'Write the files of a volume to a tar archive (streamed to STDOUT by default)',
    'volume backup',
    () => import('./volume/backup.ts'),
  ),
  entry(
    'Replace the files of a volume by those of a tar archive or STDIN',
    'volume restore',
    () => import('./volume/restore.ts'),
  ),
];

/** The nouns that hold commands, and what they are for. */
export const nouns: ReadonlyMap<string, string> = new Map([
  ['container', 'Manage containers'],
  ['image', 'Manage images'],
  ['manifest', 'Manage image manifests and manifest lists'],
  ['network', 'Manage networks'],
  ['system', 'Manage Gantry'],
  ['volume', 'Manage volumes'],
]);
