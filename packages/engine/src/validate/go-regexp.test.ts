import assert from 'node:assert/strict';
import { test } from 'node:test';
import { goRegexp } from './go-regexp.ts';

const said = (pattern: string): string => {
  try {
    goRegexp(pattern);
    return 'ok';
  } catch (error) {
    return error instanceof Error ? error.message.replace('error parsing regexp: ', '') : String(error);
  }
};

test('what is no regular expression is refused in the words of Go', () => {
  // Each was asked of dockerd 28.5.
  for (const [pattern, message] of [
    ['^a(b', 'missing closing ): `^a(b`'],
    ['[', 'missing closing ]: `[`'],
    ['[^]', 'missing closing ]: `[^]`'],
    ['*a', 'missing argument to repetition operator: `*`'],
    ['(a|*)', 'missing argument to repetition operator: `*`'],
    ['+', 'missing argument to repetition operator: `+`'],
    ['a**', 'invalid nested repetition operator: `**`'],
    ['a++', 'invalid nested repetition operator: `++`'],
    ['a???', 'invalid nested repetition operator: `???`'],
    ['a{2,1}', 'invalid repeat count: `{2,1}`'],
    ['a{1001}', 'invalid repeat count: `{1001}`'],
    ['(?=a)', 'invalid or unsupported Perl syntax: `(?=`'],
    ['(?z', 'invalid or unsupported Perl syntax: `(?z`'],
    ['(?i', 'invalid or unsupported Perl syntax: `(?i`'],
    ['(?i-)', 'invalid or unsupported Perl syntax: `(?i-)`'],
    ['(?P>a)', 'invalid or unsupported Perl syntax: `(?P`'],
    ['(?i:', 'missing closing ): `(?i:`'],
    ['(?P<n', 'invalid named capture: `(?P<n`'],
    ['(?<a', 'invalid named capture: `(?<a`'],
    ['\\1', 'invalid escape sequence: `\\1`'],
    ['\\8', 'invalid escape sequence: `\\8`'],
    ['\\xzz', 'invalid escape sequence: `\\xzz`'],
    ['[\\q]', 'invalid escape sequence: `\\q`'],
    ['[a-\\d]', 'invalid escape sequence: `\\d`'],
    ['[b-a]', 'invalid character class range: `b-a`'],
    ['[[:foo:]]', 'invalid character class range: `[:foo:]`'],
    ['\\p{Foo}', 'invalid character class range: `\\p{Foo}`'],
    ['a\\', 'trailing backslash at end of expression: ``'],
    ['x)', 'unexpected ): `x)`'],
  ] as const) {
    assert.equal(said(pattern), message, pattern);
  }
  for (const pattern of ['(?<n>a)', '(?P<1>a)', '(?)', 'a{,2}', '\\Q', '\\pL', 'a{', '[]a]', '[a-]']) {
    assert.equal(said(pattern), 'ok', pattern);
  }
});

test('the others match as in Go', () => {
  for (const [pattern, yes, no] of [
    ['(?i)^FOO[[:digit:]]\\z', ['foo1', 'Foo2'], ['FOO3z', 'xfoo1']],
    ['(?P<x>aa|bb)$', ['1aa', 'bb'], ['bbq']],
    ['^a{,2}$', ['a{,2}'], ['aa']],
    ['^(?:ab){2}$', ['abab'], ['ab']],
    ['^\\Qa.b\\E.$', ['a.bc'], ['axbc']],
    ['^[^\\d\\pL]$', ['-'], ['1', 'ä']],
    ['^\\p{Greek}+$', ['αβγ'], ['abc']],
    ['^\\x41\\x{42}\\103$', ['ABC'], ['abc']],
    ['^(?i:a)b$', ['Ab', 'ab'], ['AB']],
    ['^[]\\-a]$', [']', '-', 'a'], ['b']],
    ['a.c', ['abc'], ['a\nc']],
    ['(?s)a.c', ['a\nc'], ['ac']],
    ['(?m)^b$', ['a\nb'], ['ab']],
    ['', ['', 'x'], []],
  ] as const) {
    const compiled = goRegexp(pattern);
    for (const text of yes) assert.ok(compiled.test(text), `${pattern} matches ${text}`);
    for (const text of no) assert.ok(!compiled.test(text), `${pattern} does not match ${text}`);
  }
});
