import { invalidParameter } from '@gantry/errors';

const NAMED: Record<string, number> = { DEL: 127, '@': 0, '[': 27, '\\': 28, ']': 29, '^': 30, _: 31 };

/**
 * `ctrl-p,ctrl-q` to the bytes that a terminal sends; empty for Docker's default.
 * @throws invalidParameter `Invalid detach keys (X) provided`
 */
export function parseDetachKeys(text: string): Uint8Array {
  if (text === '') return Uint8Array.of(16, 17);
  return Uint8Array.from(text.split(','), key => {
    if (key.length === 1 && key.charCodeAt(0) < 128) return key.charCodeAt(0);
    const [, named = ''] = /^ctrl-(.)$/i.exec(key) ?? [];
    if (/^[a-z]$/i.test(named)) return named.toLowerCase().charCodeAt(0) - 96;
    const code = key === 'DEL' ? NAMED.DEL : NAMED[named];
    if (code === undefined) throw invalidParameter(`Invalid detach keys (${text}) provided`);
    return code;
  });
}
