import assert from 'node:assert/strict';
import { test } from 'node:test';
import { helpText, parseCommandLine } from './command-line.ts';
import { settings } from './settings.ts';

function given(...argv: string[]): Record<string, readonly string[]> {
  const line = parseCommandLine(argv);
  assert.equal(line.kind, 'run');
  return line.kind === 'run' ? Object.fromEntries(line.given) : {};
}

test('flags are read in every form that dockerd reads', () => {
  assert.deepEqual(given('--host', 'a', '--host=b', '-H', 'c', '-Hd', '-H=e'), { host: ['a', 'b', 'c', 'd', 'e'] });
  assert.deepEqual(given('-D'), { debug: ['true'] });
  assert.deepEqual(given('--debug=false', '--iptables'), { debug: ['false'], iptables: ['true'] });
  assert.deepEqual(given('-DH', 'x'), { debug: ['true'], host: ['x'] });
  assert.deepEqual(given('-DGusers'), { debug: ['true'], group: ['users'] });
});

test('help and version are asked for in either form', () => {
  for (const flag of ['--help', '-h']) assert.equal(parseCommandLine([flag]).kind, 'help');
  for (const flag of ['--version', '-v']) assert.equal(parseCommandLine([flag]).kind, 'version');
});

test('what is no flag is refused by name', () => {
  assert.throws(() => parseCommandLine(['--foo=1']), { message: 'unknown flag: --foo' });
  assert.throws(() => parseCommandLine(['-Dx']), { message: "unknown shorthand flag: 'x' in -Dx" });
  assert.throws(() => parseCommandLine(['--host']), { message: 'flag needs an argument: --host' });
  assert.throws(() => parseCommandLine(['-H']), { message: "flag needs an argument: 'H' in -H" });
  assert.throws(() => parseCommandLine(['stray']), /accepts no arguments/);
});

test('the help names every setting', () => {
  const text = helpText();
  for (const { flag } of settings) assert.ok(text.includes(`--${flag}`), flag);
});
