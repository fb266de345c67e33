import { ExitError } from '../../errors.ts';
import { type Flag, list, map, text } from '../../flags/flag.ts';
import type { Values } from '../../flags/parse.ts';

/** The flags of cluster volumes, which need a swarm. */
export const clusterFlags: readonly Flag[] = [
  {
    name: 'availability',
    kind: text,
    help: 'Cluster Volume availability ("active", "pause", "drain")',
    fallback: '"active"',
  },
  { name: 'group', kind: text, help: 'Cluster Volume group (cluster volumes)' },
  { name: 'limit-bytes', kind: text, label: 'bytes', help: 'Minimum size of the Cluster Volume in bytes' },
  { name: 'required-bytes', kind: text, label: 'bytes', help: 'Maximum size of the Cluster Volume in bytes' },
  { name: 'scope', kind: text, help: 'Cluster Volume access scope ("single", "multi")', fallback: '"single"' },
  { name: 'secret', kind: map, help: 'Cluster Volume secrets', fallback: 'map[]' },
  {
    name: 'sharing',
    kind: text,
    help: 'Cluster Volume access sharing ("none", "readonly", "onewriter", "all")',
    fallback: '"none"',
  },
  { name: 'topology-preferred', kind: list, help: 'A topology that the Cluster Volume would be preferred in' },
  { name: 'topology-required', kind: list, help: 'A topology that the Cluster Volume must be accessible from' },
  { name: 'type', kind: text, help: 'Cluster Volume access type ("mount", "block")', fallback: '"block"' },
];

/** @throws ExitError when a flag asks for a cluster volume */
export function refuseCluster(values: Values): void {
  const given = clusterFlags.find(flag => values.changed(flag.name));
  if (given) throw new ExitError(1, `--${given.name} is for cluster volumes, and there is no swarm`);
}
