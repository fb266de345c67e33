import assert from 'node:assert/strict';
import { closeSync, readlinkSync } from 'node:fs';
import { test } from 'node:test';
import { Bench, needsRoot, shell } from './container.fixture.ts';

const CLONE_NEWNET = 0x40000000;
const inside = { op: 'hostSocket', address: '127.0.0.11', port: 53, inside: true } as const;

test(
  'sockets inside the container are held by the shim and taken by descriptor, also those asked for later',
  needsRoot,
  async () => {
    await using bench = new Bench();
    const shim = await bench.launch('', {
      plan: {
        cloneFlags: CLONE_NEWNET,
        prepare: [],
        parent: [{ ...inside, protocol: 'udp' }],
        child: shell('exec sleep 1000'),
      },
    });
    const udp = await shim.heldSocket('udp');
    assert.match(readlinkSync(`/proc/self/fd/${udp}`), /^socket:/);
    closeSync(udp);
    await assert.rejects(shim.heldSocket('tcp'), /no such file/);
    await shim.hold([{ ...inside, protocol: 'tcp' }]);
    closeSync(await shim.heldSocket('tcp'));
    await assert.rejects(shim.hold([{ ...inside, protocol: 'tcp' }]), /address already in use/);
  },
);
