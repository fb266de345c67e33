import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isGantryError, messageOf } from '@gantry/errors';
import { createRequest, execOptions } from '../documents/requests.ts';
import { decodeJson } from './decode.ts';

// The texts on the right are dockerd's answers to the bodies on the left.
const refused: readonly (readonly [string, string])[] = [
  ['{', 'unexpected EOF'],
  ['{"Image":"a', 'unexpected EOF'],
  ['[]', 'json: cannot unmarshal array into Go value of type container.CreateRequest'],
  ['"x"', 'json: cannot unmarshal string into Go value of type container.CreateRequest'],
  ['{"Image":5}', 'json: cannot unmarshal number into Go struct field .Image of type string'],
  [
    '{"HostConfig":{"Memory":"x"}}',
    'json: cannot unmarshal string into Go struct field .HostConfig.Memory of type int64',
  ],
  [
    '{"HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":80}]}}}',
    'json: cannot unmarshal number into Go struct field .HostConfig.PortBindings.80~1tcp.0.HostPort of type string',
  ],
  ['{"Env":"x"}', 'json: cannot unmarshal string into Go struct field .Env of type []string'],
  ['{"Env":[1]}', 'json: cannot unmarshal number into .Env.0 of type string'],
  ['{"Tty":"true"}', 'json: cannot unmarshal string into Go struct field .Tty of type bool'],
  [
    '{"HostConfig":{"Memory":1.5}}',
    'json: cannot unmarshal number 1.5 into Go struct field .HostConfig.Memory of type int64',
  ],
  [
    '{"HostConfig":{"Memory":99999999999999999999}}',
    'json: cannot unmarshal number 100000000000000000000 into Go struct field .HostConfig.Memory of type int64',
  ],
  ['{"HostConfig":{"ConsoleSize":["a"]}}', 'json: cannot unmarshal string into .HostConfig.ConsoleSize.0 of type uint'],
  ['{"Labels":["a"]}', 'json: cannot unmarshal array into Go struct field .Labels of type map[string]string'],
  ['{"Labels":{"a":1}}', 'json: cannot unmarshal number into Go struct field .Labels.a of type string'],
  ['{"Cmd":{"a":1}}', 'json: cannot unmarshal object into Go value of type string'],
  ['{"HostConfig":[]}', 'json: cannot unmarshal array into Go struct field .HostConfig of type container.HostConfig'],
  ['{"ExposedPorts":["80"]}', 'json: cannot unmarshal array into Go struct field .ExposedPorts of type nat.PortSet'],
  [
    '{"Healthcheck":{"Interval":"5s"}}',
    'json: cannot unmarshal string into Go struct field .Healthcheck.Interval of type time.Duration',
  ],
  [
    '{"HostConfig":{"Devices":["x"]}}',
    'json: cannot unmarshal string into .HostConfig.Devices.0 of type container.DeviceMapping',
  ],
  ['{"Image":"b",}', "invalid character '}' looking for beginning of object key string"],
  ['{"Image" "b"}', "invalid character '\"' after object key"],
  ["{'a':1}", "invalid character '\\'' looking for beginning of object key string"],
  ['nul', 'unexpected EOF'],
  ['{"a":tru}', "invalid character '}' in literal true (expecting 'e')"],
  ['[1,', 'unexpected EOF'],
  ['01', 'json: cannot unmarshal number into Go value of type container.CreateRequest'],
  ['["\\x"]', "invalid character 'x' in string escape code"],
];

test('a document that does not fit is refused in the words of Go', () => {
  for (const [body, message] of refused) {
    assert.throws(
      () => decodeJson(body, createRequest),
      error => {
        assert.ok(isGantryError(error, 'invalidParameter'));
        assert.equal(messageOf(error), `invalid JSON: ${message}`, body);
        return true;
      },
    );
  }
});

test('content after the document is refused', () => {
  assert.throws(() => decodeJson('{"Image":"b"} x', createRequest), { message: 'unexpected content after JSON' });
});

test('keys are found in any case, unknown ones are ignored, and what is missing has its zero value', () => {
  assert.deepEqual(decodeJson('{"cmd":["a"],"TTY":true,"bogus":1,"env":null}', execOptions), {
    User: '',
    Privileged: false,
    Tty: true,
    AttachStdin: false,
    AttachStderr: false,
    AttachStdout: false,
    DetachKeys: '',
    Env: null,
    WorkingDir: '',
    Cmd: ['a'],
  });
});

test('a command may be a string, a fixed list is filled up, and a key __proto__ is only a key', () => {
  const decoded = decodeJson(
    '{"Cmd":"ls -l","HostConfig":{"ConsoleSize":[7]},"Labels":{"__proto__":"x"}}',
    createRequest,
  ) as { Cmd: unknown; HostConfig: { ConsoleSize: unknown }; Labels: object };
  assert.deepEqual(decoded.Cmd, ['ls -l']);
  assert.deepEqual(decoded.HostConfig.ConsoleSize, [7, 0]);
  assert.deepEqual(Object.keys(decoded.Labels), ['__proto__']);
});

test('a document nested a million times is refused', () => {
  assert.throws(() => decodeJson('['.repeat(1_000_000), createRequest), /exceeded max depth/);
});
