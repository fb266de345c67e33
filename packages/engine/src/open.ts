import { notImplemented } from '@gantry/errors';
import type { Engine } from './engine.ts';
import type { EngineOptions } from './options.ts';

/** Opens the engine over its rooms: adopts what runs, removes what nobody owns, applies restart policies. */
export async function openEngine(_options: EngineOptions): Promise<Engine> {
  throw notImplemented('engine: in work');
}
