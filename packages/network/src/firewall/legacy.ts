import { type LegacyForward, legacyForward, nftables as nft, SystemCallError } from '@gantry/linux';
import type { ForeignForwarder } from './foreign.ts';
import type { FirewallBridge } from './rules.ts';

const PROGRAMS = { 4: 'iptables-legacy', 6: 'ip6tables-legacy' } as const;

/**
 * What stands in a bridge's way in the tables of iptables-legacy, where nf_tables cannot put a rule: the commands that let it pass.
 * Undefined where nothing does.
 */
export function legacyObstacle({ name, subnet, subnet6 }: FirewallBridge): string | undefined {
  const commands = ([4, 6] as const)
    .filter(family => (family === 4 ? subnet : subnet6) !== undefined)
    .flatMap(family => {
      const forward = readForward(family);
      if (!forward?.drops) return [];
      return [
        ...(forward.admitsFrom.has(name) ? [] : [`${PROGRAMS[family]} -I FORWARD -i ${name} -j ACCEPT`]),
        ...(forward.admitsTo.has(name) ? [] : [`${PROGRAMS[family]} -I FORWARD -o ${name} -j ACCEPT`]),
      ];
    });
  if (commands.length === 0) return undefined;
  return `the forward chain of iptables-legacy drops what comes from ${name} and goes there, until somebody runs: ${commands.join('; ')}`;
}

/** The forward chains of iptables-legacy that drop, as those of nf_tables are told. */
export function legacyForwarders(): ForeignForwarder[] {
  return ([4, 6] as const).flatMap(family => {
    const forward = readForward(family);
    if (!forward?.drops) return [];
    const { admitsFrom, admitsTo } = forward;
    return [
      {
        table: `filter of ${PROGRAMS[family]}`,
        chain: 'FORWARD',
        family: family === 4 ? nft.Family.ipv4 : nft.Family.ipv6,
        admitsFrom,
        admitsTo,
        legacy: true as const,
      },
    ];
  });
}

function readForward(family: 4 | 6): LegacyForward | undefined {
  try {
    return legacyForward(family);
  } catch (error) {
    // Nothing is known then, as without the table.
    if (error instanceof SystemCallError) return undefined;
    throw error;
  }
}
