import assert from 'node:assert/strict';
import { test } from 'node:test';
import { importsOf, judge } from './layers.ts';

const reasons = (file: string, source: string, ...dependencies: string[]) =>
  judge(file, importsOf(source), new Set(dependencies)).map(({ line, reason }) => `${line}: ${reason}`);

test('an import that points up the list of rooms is an offence at its line', () => {
  const source = "import { a } from 'node:fs';\nimport {\n  engine,\n} from '@gantry/engine';\n";
  assert.deepEqual(reasons('packages/linux/src/a.ts', source, '@gantry/engine'), [
    '4: an import may only point down the list of rooms: linux may not import engine',
  ]);
});

test('an import that points down and is named in package.json is none', () => {
  assert.deepEqual(reasons('packages/engine/src/a.ts', "import type { A } from '@gantry/linux';", '@gantry/linux'), []);
});

test('types and dynamic imports and re-exports are imports too', () => {
  const source =
    "export * from '@gantry/engine';\nconst x = await import('@gantry/api');\nimport type { B } from '@gantry/cli';";
  assert.equal(reasons('packages/oci/src/a.ts', source, '@gantry/engine', '@gantry/api', '@gantry/cli').length, 3);
});

test('a package that package.json does not name is an offence', () => {
  assert.deepEqual(reasons('packages/linux/src/a.ts', "import koffi from 'koffi';"), [
    "1: 'koffi' is missing from the dependencies of packages/linux/package.json",
  ]);
});

test("reaching into another package's inside is an offence, by name and by path", () => {
  const byName = reasons('packages/engine/src/a.ts', "import { a } from '@gantry/linux/src/a.ts';", '@gantry/linux');
  assert.deepEqual(byName, ["1: '@gantry/linux/src/a.ts' reaches into another package; import '@gantry/linux'"]);
  const byPath = reasons('packages/engine/src/a.ts', "import { a } from '../../linux/src/a.ts';");
  assert.deepEqual(byPath, ["1: '../../linux/src/a.ts' reaches into another package; import its face"]);
});

test("a test may use what another package lends as its 'testing', other code may not", () => {
  const source = "import { a } from '@gantry/linux/testing';";
  assert.deepEqual(reasons('packages/network/src/a.test.ts', source, '@gantry/linux'), []);
  assert.equal(reasons('packages/network/src/a.ts', source, '@gantry/linux').length, 1);
});

test('the command line talks to the daemon by the client alone', () => {
  assert.deepEqual(reasons('packages/cli/src/a.ts', "import { a } from '@gantry/engine';", '@gantry/engine'), [
    '1: cli talks to the daemon by client alone, and may not import engine',
  ]);
});
