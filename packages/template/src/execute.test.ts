import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileTemplate } from './execute.ts';
import { Struct } from './values.ts';

const data = {
  Names: 'web-1',
  ID: 'abcdef',
  State: { Running: true, Pid: 7, Health: null },
  Ports: { '80/tcp': [{ HostIp: '::', HostPort: '8080' }] },
  Cmd: ['sh', '-c', 'x'],
  Labels: { b: '2', a: '1' },
  Label: (name: unknown) => `label ${name}`,
  Empty: '',
  Method: () => 'called',
  Struct: new Struct({ A: 1, List: [2, 3], B: () => 'B called' }),
};

const render = (source: string) => compileTemplate(source)(data, { typeName: '*formatter.ContainerContext' });

test("templates give what Go's would", () => {
  const cases: [string, string][] = [
    ['{{.Names}}: {{.State.Pid}}', 'web-1: 7'],
    ['{{json .Cmd}} {{.Cmd}} {{.Labels}}', '["sh","-c","x"] [sh -c x] map[a:1 b:2]'],
    ['{{range .Cmd}}<{{.}}>{{else}}none{{end}}', '<sh><-c><x>'],
    ['{{range $k, $v := .Labels}}{{$k}}={{$v}};{{end}}', 'a=1;b=2;'],
    ['{{range $i, $e := split .Names "-"}}{{if $i}}+{{end}}{{$e}}{{end}}', 'web+1'],
    ['{{if and .State.Running (eq .ID "abcdef")}}up{{else if .Empty}}?{{else}}down{{end}}', 'up'],
    ['{{with .Empty}}x{{else}}empty{{end}} {{or .Empty "d"}} {{not .Empty}}', 'empty d true'],
    ['{{(index (index .Ports "80/tcp") 0).HostPort}}', '8080'],
    ['{{.Names | upper | printf "%-8s|%5s" "x" | len}}', '14'],
    ['{{printf "%-8s|%5s|%q|%05d" .Names "x" .ID 42}}', 'web-1   |    x|"abcdef"|00042'],
    [
      '{{pad .ID 1 2}}|{{truncate .ID 3}}|{{title "ab cd"}}|{{lower "AB"}}|{{join .Cmd ","}}|{{slice .ID 1 3}}',
      ' abcdef  |abc|Ab Cd|ab|sh,-c,x|bc',
    ],
    ['{{.Label "k"}} {{len .Cmd}} {{println "a" 1}}', 'label k 3 a 1\n'],
    ['a {{- /* comment */ -}} b {{- .ID -}}  c', 'ababcdefc'],
    ['{{$x := .ID}}{{$x}}{{$.Names}}', 'abcdefweb-1'],
    ['{{range .Cmd}}{{if eq . "-c"}}{{break}}{{end}}{{.}}{{end}}', 'sh'],
    ['{{gt 2 1}} {{le 2 1}} {{ne "a" "b"}} {{eq 1 2 1}}', 'true false true true'],
    [
      '{{upper .Method}} {{eq .Method "called"}} {{or .Method 1}} {{with .Method}}{{.}}{{end}}',
      'CALLED true called called',
    ],
    ['{{.Struct}} {{.Struct.A}} {{.Struct.B}}', '{1 [2 3]} 1 B called'],
    ['{{"quoted \\"\\t"}}{{`raw`}}', 'quoted "\traw'],
  ];
  for (const [source, text] of cases) assert.equal(render(source), text, source);
});

test("errors have Go's words and place", () => {
  const cases: [string, string][] = [
    [
      '{{.Foo}}',
      'template: :1:2: executing "" at <.Foo>: can\'t evaluate field Foo in type *formatter.ContainerContext',
    ],
    ['{{.State.Foo}}', 'template: :1:8: executing "" at <.State.Foo>: map has no entry for key "Foo"'],
    ['{{.Foo', 'template: :1: unclosed action'],
    ['{{foo}}', 'template: :1: function "foo" not defined'],
    ['{{$x}}', 'template: :1: undefined variable "$x"'],
    ['{{if}}', 'template: :1: missing value for if'],
    ['{{end}}', 'template: :1: unexpected {{end}}'],
    ['{{if .ID}}', 'template: :1: unexpected EOF'],
    ['{{index .Cmd 9}}', 'template: :1:2: executing "" at <index .Cmd 9>: error calling index: index out of range: 9'],
    ['x\n{{.ID | }}', 'template: :2: missing value for command'],
  ];
  for (const [source, message] of cases)
    assert.throws(() => render(source), { name: 'TemplateError', message }, source);
});

test('a template has a name in its errors when it is given one', () => {
  const message = 'template: tag:1:2: executing "tag" at <.Foo>: map has no entry for key "Foo"';
  assert.throws(() => compileTemplate('{{.Foo}}', { name: 'tag' })({}), { message });
  assert.throws(() => compileTemplate('{{', { name: 'tag' }), { message: 'template: tag:1: unclosed action' });
});
