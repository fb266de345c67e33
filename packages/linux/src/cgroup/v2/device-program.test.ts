import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeviceRule } from '../resources.ts';
import { deviceProgram } from './device-program.ts';

/** Runs the few instructions that device programs are made of. */
function decide(
  rules: readonly DeviceRule[],
  device: { type: 'b' | 'c'; major: number; minor: number; access: string },
) {
  const program = Buffer.from(deviceProgram(rules));
  const access = [...device.access].reduce((mask, letter) => mask | ({ m: 1, r: 2, w: 4 }[letter] ?? 0), 0);
  const context = [(device.type === 'b' ? 1 : 2) | (access << 16), device.major, device.minor];
  const registers = Array.from({ length: 11 }, () => 0);
  for (let at = 0; at * 8 < program.length; at++) {
    const constant = program.readInt32LE(at * 8 + 4);
    const offset = program.readInt16LE(at * 8 + 2);
    const registerByte = program.readUInt8(at * 8 + 1);
    const [target, source] = [registerByte & 15, registerByte >> 4];
    const value = registers[target] ?? 0;
    switch (program.readUInt8(at * 8)) {
      case 0x61:
        registers[target] = context[offset / 4] ?? 0;
        break;
      case 0x54:
        registers[target] = value & constant;
        break;
      case 0x74:
        registers[target] = value >>> constant;
        break;
      case 0xb4:
        registers[target] = constant;
        break;
      case 0xbc:
        registers[target] = registers[source] ?? 0;
        break;
      case 0x55:
        if (value !== constant) at += offset;
        break;
      case 0x15:
        if (value === constant) at += offset;
        break;
      case 0x95:
        return registers[0] === 1;
      default:
        assert.fail(`opcode ${program.readUInt8(at * 8)}`);
    }
  }
  return assert.fail('the program does not end');
}

test('what no rule allows is denied', () => {
  const rules: DeviceRule[] = [
    { allow: false },
    { allow: true, type: 'c', access: 'm' },
    { allow: true, type: 'c', major: 1, minor: 3 },
    { allow: true, type: 'c', major: 136, access: 'rw' },
  ];
  assert.equal(decide(rules, { type: 'c', major: 1, minor: 3, access: 'rw' }), true);
  assert.equal(decide(rules, { type: 'c', major: 1, minor: 4, access: 'r' }), false);
  assert.equal(decide(rules, { type: 'c', major: 1, minor: 4, access: 'm' }), true);
  assert.equal(decide(rules, { type: 'b', major: 1, minor: 3, access: 'r' }), false);
  assert.equal(decide(rules, { type: 'c', major: 136, minor: 77, access: 'rw' }), true);
  assert.equal(decide(rules, { type: 'c', major: 136, minor: 77, access: 'rwm' }), false);
});

test('a privileged container is denied nothing but what was taken from it', () => {
  const rules: DeviceRule[] = [{ allow: true }, { allow: false, type: 'b', major: 8, access: 'w' }];
  assert.equal(decide(rules, { type: 'c', major: 10, minor: 1, access: 'rwm' }), true);
  assert.equal(decide(rules, { type: 'b', major: 8, minor: 0, access: 'r' }), true);
  assert.equal(decide(rules, { type: 'b', major: 8, minor: 0, access: 'rw' }), false);
});
