import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Flag, int, list, text, toggle } from './flag.ts';
import { HELP, parseFlags, type Values } from './parse.ts';

const flags: readonly Flag[] = [
  { name: 'all', short: 'a', kind: toggle, help: '' },
  { name: 'quiet', short: 'q', kind: toggle, help: '' },
  { name: 'last', short: 'n', kind: int, help: '' },
  { name: 'env', short: 'e', kind: list, help: '' },
  { name: 'name', kind: text, help: '' },
];

const parse = (...args: string[]): Values => {
  const values = parseFlags(args, flags, { interspersed: true });
  assert.ok(values !== HELP);
  return values;
};

test('every spelling of a flag and its value is understood', () => {
  for (const args of [['--last', '3'], ['--last=3'], ['-n', '3'], ['-n3'], ['-n=3'], ['-aqn3'], ['-aq', '-n', '3']]) {
    assert.equal(parse(...args).number('last'), 3, args.join(' '));
  }
  const values = parse('-aq', '-e', 'A=1', '--env=B=2', '--quiet=false', 'x', '--name', '', 'y', '--', '--all');
  assert.equal(values.on('all'), true);
  assert.equal(values.on('quiet'), false);
  assert.deepEqual(values.list('env'), ['A=1', 'B=2']);
  assert.equal(values.changed('name'), true);
  assert.deepEqual(values.args, ['x', 'y', '--all']);
});

test('flags of a command that is run in a container are left to it', () => {
  const values = parseFlags(['-a', 'image', '-q', '--x'], flags, { interspersed: false });
  assert.ok(values !== HELP);
  assert.deepEqual([values.on('all'), values.on('quiet'), values.args], [true, false, ['image', '-q', '--x']]);
});

test("what is wrong is said in pflag's words", () => {
  const cases: [string[], string][] = [
    [['--x'], 'unknown flag: --x'],
    [['--x=1'], 'unknown flag: --x'],
    [['-aZ'], "unknown shorthand flag: 'Z' in -Z"],
    [['-qZa'], "unknown shorthand flag: 'Z' in -Za"],
    [['--name'], 'flag needs an argument: --name'],
    [['-n'], "flag needs an argument: 'n' in -n"],
    [['-n', 'x'], 'invalid argument "x" for "-n, --last" flag: strconv.ParseInt: parsing "x": invalid syntax'],
    [
      ['--all=maybe'],
      'invalid argument "maybe" for "-a, --all" flag: strconv.ParseBool: parsing "maybe": invalid syntax',
    ],
    [['--=x'], 'bad flag syntax: --=x'],
  ];
  for (const [args, message] of cases) {
    assert.throws(() => parseFlags(args, flags, { interspersed: true }), { name: 'UsageError', message });
  }
});

test('-h and --help ask for help unless the command has flags of that name', () => {
  assert.equal(parseFlags(['--help'], flags, { interspersed: true }), HELP);
  assert.equal(parseFlags(['x', '-h'], flags, { interspersed: true }), HELP);
  const own: Flag = { name: 'hostname', short: 'h', kind: text, help: '' };
  assert.notEqual(parseFlags(['-h', 'x'], [own], { interspersed: true }), HELP);
});
