import type { Shim } from '@gantry/runtime';
import type { EngineContext } from '../context.ts';
import { logTarget } from '../validate/log-target.ts';
import type { Container } from './container.ts';

/** Follows what a container's shim tells of its log: files to compress, and lines that were lost. */
export function watchLog(context: EngineContext, container: Container, shim: Shim): void {
  let { rotations } = shim.log;
  let told = shim.log.lostLines;
  shim.onLogNews(news => {
    if (news.rotations !== rotations) compressLog(context, container);
    rotations = news.rotations;
    // Every line would be a line too many, where a disk stays full.
    if (news.lostLines < Math.max(1, told * 10)) return;
    told = news.lostLines;
    context.log(
      `the log of ${container.name} has lost ${told} lines: its disk is full, or too slow for mode=non-blocking`,
    );
  });
}

/** Lets the files that a container's log was rotated to be compressed, where its options say so. */
export function compressLog(context: EngineContext, { document, facts }: Container): void {
  if (facts.logPath === '') return;
  const target = logTarget(document.hostConfig.LogConfig, facts.logPath);
  if (target.driver === 'json-file' && target.compress) context.logCompressor.add(facts.logPath);
}

/** Lines that the logs of running containers have lost, by container id; those that lost none are left out. */
export function lostLogLines(context: EngineContext): Readonly<Record<string, number>> {
  const lost = [...context.containers.all()].map(({ id, run }) => [id, run?.shim.log.lostLines ?? 0] as const);
  return Object.fromEntries(lost.filter(([, lines]) => lines > 0));
}
