import type { RestartPolicy } from '@gantry/client';
import { ExitError } from '../errors.ts';

/** `no`, `always`, `on-failure:3`. @throws ExitError in Docker's words */
export function parseRestartPolicy(text: string): RestartPolicy {
  if (text === '') return { Name: 'no', MaximumRetryCount: 0 };
  const [, name = '', count] = /^([^:]*)(?::(.*))?$/s.exec(text) ?? [];
  if (name === '') throw new ExitError(125, 'invalid restart policy format: no policy provided before colon');
  if (count !== undefined && !/^[+-]?\d+$/.test(count)) {
    throw new ExitError(125, 'invalid restart policy format: maximum retry count must be an integer');
  }
  return { Name: name, MaximumRetryCount: Number(count ?? 0) };
}
