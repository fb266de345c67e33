import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ipBytes, ipText } from './ip-address.ts';

for (const [text, hex, printed = text] of [
  ['192.0.2.1', 'c0000201'],
  ['0.0.0.0', '00000000'],
  ['::', '00000000000000000000000000000000'],
  ['::1', '00000000000000000000000000000001'],
  ['fd00::2', 'fd000000000000000000000000000002'],
  ['2001:DB8:0:0:1:0:0:1', '20010db8000000000001000000000001', '2001:db8::1:0:0:1'],
  ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
  ['::ffff:1.2.3.4', '00000000000000000000ffff01020304', '::ffff:102:304'],
  ['fe80::1%eth0', 'fe800000000000000000000000000001', 'fe80::1'],
] as const) {
  test(`${text} is read and printed`, () => {
    assert.equal(Buffer.from(ipBytes(text)).toString('hex'), hex);
    assert.equal(ipText(Buffer.from(hex, 'hex')), printed);
  });
}

for (const text of ['', 'localhost', '1.2.3', '1.2.3.256', ':::']) {
  test(`"${text}" is no address`, () => assert.throws(() => ipBytes(text), RangeError));
}
