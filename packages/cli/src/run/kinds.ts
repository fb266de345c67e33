import type { Kind } from '../flags/flag.ts';
import { parseBytes, parseDuration } from '../render/units.ts';
import { parseThrottle, parseUlimit, parseWeight } from './limits.ts';
import { messageIn } from './message.ts';
import { parseMount } from './mount.ts';

/** A kind whose reader says what is wrong by throwing. */
const read = (label: string, reader: (text: string) => unknown): Kind => ({
  label,
  isSwitch: false,
  check: text => messageIn(() => reader(text)),
});

export const bytes = read('bytes', text => parseBytes(text));
/** `-1` stands for no limit. */
export const bytesOrUnlimited = read('bytes', text => (text === '-1' ? -1 : parseBytes(text)));
export const mount = read('mount', parseMount);
export const ulimit = read('ulimit', parseUlimit);

export const byteRate = read('list', text => parseThrottle(text, 'bytes'));
export const operationRate = read('list', text => parseThrottle(text, 'operations'));
export const weight = read('list', parseWeight);

export const duration = read('duration', text => {
  if (parseDuration(text) !== undefined) return;
  const quoted = JSON.stringify(text);
  if (/^[+-]?(\d+\.?\d*|\.\d+)$/.test(text)) throw new Error(`time: missing unit in duration ${quoted}`);
  const unit = /^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))*(?:\d+\.?\d*|\.\d+)([^\d.]+)/.exec(text)?.[1];
  throw new Error(
    unit === undefined
      ? `time: invalid duration ${quoted}`
      : `time: unknown unit ${JSON.stringify(unit)} in duration ${quoted}`,
  );
});

const SYSCTLS = new Set(
  ['msgmax', 'msgmnb', 'msgmni', 'sem', 'shmall', 'shmmax', 'shmmni', 'shm_rmid_forced'].map(name => `kernel.${name}`),
);

export const sysctl = read('map', text => {
  const name = text.split('=')[0] ?? '';
  const allowed = SYSCTLS.has(name) || name.startsWith('net.') || name.startsWith('fs.mqueue.');
  if (!allowed || !text.includes('=')) throw new Error(`sysctl '${text}' is not allowed`);
});

export const deviceRule = read('list', text => {
  if (!/^[acb] ([0-9]+|\*):([0-9]+|\*) [rwm]{1,3}$/.test(text))
    throw new Error(`invalid device cgroup format '${text}'`);
});

export const decimal = read('decimal', text => {
  if (!/^[+-]?(\d+\.?\d*|\.\d+)$/.test(text)) throw new Error(`failed to parse ${text} as a rational number`);
  if (!Number.isInteger(Math.round(Number(text) * 1e12) / 1e3)) throw new Error('value is too precise');
});

export const attach = read('list', text => {
  if (!['stdin', 'stdout', 'stderr'].includes(text.toLowerCase())) {
    throw new Error('valid streams are STDIN, STDOUT and STDERR');
  }
});

export const environment = read('list', text => {
  if (text === '' || text.startsWith('=')) throw new Error(`invalid environment variable: ${text}`);
});

export const label = read('list', text => {
  if (text.startsWith('=')) throw new Error(`invalid label '${text}': empty name`);
});

export const extraHost = read('list', text => {
  const [, host, address] = /^([^:=]+)[:=](.*)$/s.exec(text) ?? [];
  if (!host || !address) throw new Error(`bad format for add-host: ${JSON.stringify(text)}`);
  if (address !== 'host-gateway' && !isAddress(address.replace(/^\[(.*)\]$/, '$1'))) {
    throw new Error(`invalid IP address in add-host: ${JSON.stringify(address)}`);
  }
});

export const address = read('list', text => {
  if (!isAddress(text.trim())) throw new Error(`IP address is not correctly formatted: ${text}`);
});

/** Tells whether `text` is an IPv4 or IPv6 address. */
export function isAddress(text: string): boolean {
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) return text.split('.').every(part => Number(part) <= 255);
  return text.includes(':') && /^[0-9a-fA-F:.]+(%\w+)?$/.test(text);
}
