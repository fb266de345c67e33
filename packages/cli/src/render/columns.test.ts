import assert from 'node:assert/strict';
import { test } from 'node:test';
import { alignColumns } from './columns.ts';

test('columns are ten characters wide at least, three apart, and the last is not padded', () => {
  assert.equal(
    alignColumns('A\tLONGER HEADER\tC\n1\t2\t3\nabcdefghij\t…\t\n'),
    'A            LONGER HEADER   C\n1            2               3\nabcdefghij   …               \n',
  );
});

test('a column ends where a line has not it', () => {
  assert.equal(alignColumns('aaaaaaaaaaaaaaa\tb\nplain\nx\ty\n'), 'aaaaaaaaaaaaaaa   b\nplain\nx         y\n');
});
