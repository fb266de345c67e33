import type { PacketPath } from '@gantry/client';

const OUTCOME = {
  arrives: 'it arrives',
  dropped: 'it is dropped',
  unsure: 'it arrives, if the rules marked with ? let it',
} as const;

/** The way of a packet from top to bottom, one place under the other. */
export function drawPath({ from, to, protocol, steps, verdict, hint }: PacketPath): string {
  const width = Math.max(...steps.map(({ place }) => place.length));
  const lines = steps.flatMap((step, index) => {
    const mark =
      step.verdict === 'drops' ? '✗' : step.verdict === 'unsure' ? '?' : index === steps.length - 1 ? '●' : '○';
    const line = `  ${mark}  ${step.place.padEnd(width)}   ${step.what}`;
    return index === 0 ? [line] : ['  │', line];
  });
  const end = `${from} to ${to} by ${protocol}: ${OUTCOME[verdict]}`;
  return [...lines, '', end, ...(hint === undefined ? [] : [`hint: ${hint}`]), ''].join('\n');
}
