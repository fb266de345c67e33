import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { NetlinkSocket } from '../netlink/socket.ts';
import { inOwnNetwork } from '../testing/own-network.ts';
import * as nft from './index.ts';

const { DataType: Type } = nft;
const table: nft.Table = { family: nft.Family.inet, name: 'gantry-test' };

function listRuleset(): string {
  return execFileSync('nft', ['list', 'ruleset'], { encoding: 'utf8' }).replaceAll('\t', '  ');
}

inOwnNetwork(import.meta.filename, () => {
  test('nft shows the tables, sets, maps and rules that were sent', () => {
    using socket = new NetlinkSocket(12);
    socket.exchange(
      nft.transaction([
        nft.addTable(table),
        nft.addSet(table, { name: 'bridges', key: Type.linkName }, 1),
        nft.addSet(table, { name: 'pairs', key: nft.concatenated(Type.linkName, Type.linkName) }, 2),
        nft.addSet(table, { name: 'subnets', key: Type.ipv4, interval: true }, 3),
        nft.addSet(
          table,
          {
            name: 'ports',
            key: nft.concatenated(Type.ipv4, Type.protocol, Type.port),
            value: nft.concatenated(Type.ipv4, Type.port),
          },
          4,
        ),
        nft.addChain(table, 'publish'),
        nft.addSet(table, { name: 'kinds', key: Type.ipv4, value: 'verdict' }, 5),
        nft.addChain(table, 'before', { type: 'nat', hook: 'prerouting', priority: -100 }),
        nft.addChain(table, 'after', { type: 'nat', hook: 'postrouting', priority: 100 }),
        nft.addChain(table, 'through', { type: 'filter', hook: 'forward', priority: 0, policy: 'drop' }),
        nft.addRule(table, 'before', [...nft.destinationIsLocal(), nft.decide({ verdict: 'jump', chain: 'publish' })]),
        nft.addRule(table, 'publish', [
          ...nft.isIPv4(),
          nft.payload('network', 16, 4, 0),
          nft.meta('l4proto', 1),
          nft.payload('transport', 2, 2, 2),
          nft.lookup('ports', 0, { to: 0 }),
          nft.translate('destination', 'ipv4', { address: 0, port: 1 }),
        ]),
        nft.addRule(table, 'after', [...nft.toLinkIn('bridges', true), ...nft.sourceIn('subnets'), nft.masquerade()]),
        nft.addRule(table, 'after', [...nft.destinationWasTranslated(), nft.masquerade()]),
        nft.addRule(
          table,
          'through',
          [...nft.connectionState('established', 'related'), nft.decide({ verdict: 'accept' })],
          { comment: 'known' },
        ),
        nft.addRule(table, 'through', [...nft.linksIn('pairs'), nft.counter(), nft.decide({ verdict: 'accept' })]),
        nft.addRule(
          table,
          'through',
          [...nft.fromLink('lo', 'unequal'), ...nft.destinationIsLoopback(), nft.decide({ verdict: 'drop' })],
          { first: true },
        ),
        nft.addRule(table, 'through', [
          ...nft.isIPv4(),
          nft.payload('network', 12, 4, 0),
          nft.lookup('kinds', 0, { to: 'verdict' }),
        ]),
        ...nft.addElements(table, 'bridges', [{ key: nft.linkName('gantry0') }]),
        ...nft.addElements(table, 'pairs', [{ key: nft.concat(nft.linkName('gantry0'), nft.linkName('gantry0')) }]),
        ...nft.addElements(table, 'subnets', [{ key: nft.address('172.18.0.0'), until: nft.address('172.19.0.0') }]),
        ...nft.addElements(table, 'kinds', [{ key: nft.address('10.0.0.1'), value: { verdict: 'accept' } }]),
        ...nft.addElements(table, 'ports', [
          {
            key: nft.concat(nft.address('192.0.2.1'), nft.protocol('tcp'), nft.port(8080)),
            value: nft.concat(nft.address('172.18.0.2'), nft.port(80)),
          },
        ]),
      ]),
    );
    assert.equal(
      listRuleset(),
      `table inet gantry-test {
  set bridges {
    type ifname
    elements = { "gantry0" }
  }

  set pairs {
    type ifname . ifname
    elements = { "gantry0" . "gantry0" }
  }

  set subnets {
    type ipv4_addr
    flags interval
    elements = { 172.18.0.0/16 }
  }

  map ports {
    type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service
    elements = { 192.0.2.1 . tcp . 8080 : 172.18.0.2 . 80 }
  }

  map kinds {
    type ipv4_addr : verdict
    elements = { 10.0.0.1 : accept }
  }

  chain publish {
    dnat ip to ip daddr . meta l4proto . th dport map @ports
  }

  chain before {
    type nat hook prerouting priority dstnat; policy accept;
    fib daddr type local jump publish
  }

  chain after {
    type nat hook postrouting priority srcnat; policy accept;
    oifname != @bridges ip saddr @subnets masquerade
    ct status dnat masquerade
  }

  chain through {
    type filter hook forward priority filter; policy drop;
    iifname != "lo" ip daddr 127.0.0.0/8 drop
    ct state established,related accept comment "known"
    iifname . oifname @pairs counter packets 0 bytes 0 accept
    ip saddr vmap @kinds
  }
}
`,
    );
  });

  test('what was sent can be read back and deleted', () => {
    using socket = new NetlinkSocket(12);
    const chains = socket.request([nft.getChains(nft.Family.inet)]).map(nft.parseChain);
    assert.deepEqual(
      chains.find(chain => chain?.name === 'through'),
      { table: 'gantry-test', name: 'through', base: { hook: nft.Hook.forward, priority: 0, policy: 'drop' } },
    );
    const rules = socket.request([nft.getRules(table, 'through')]).map(nft.parseRule);
    const known = rules.find(rule => rule?.comment === 'known');
    assert.ok(known);
    const key = nft.concat(nft.address('192.0.2.1'), nft.protocol('tcp'), nft.port(8080));
    assert.deepEqual(socket.request([nft.getElements(table, 'ports')]).flatMap(nft.parseElements), [
      { key: Buffer.from(key), value: Buffer.from(nft.concat(nft.address('172.18.0.2'), nft.port(80))) },
    ]);
    socket.exchange(
      nft.transaction([
        nft.deleteRule(table, 'through', known.handle),
        ...nft.deleteElements(table, 'ports', [{ key }]),
      ]),
    );
    assert.doesNotMatch(listRuleset(), /known|8080/);
    socket.exchange(nft.transaction([nft.deleteTable(table)]));
    assert.equal(listRuleset(), '');
  });

  test('a transaction with one wrong message changes nothing', () => {
    using socket = new NetlinkSocket(12);
    assert.throws(
      () =>
        socket.exchange(
          nft.transaction([
            nft.addTable(table),
            ...nft.deleteElements(table, 'none', []),
            nft.deleteTable({ ...table, name: 'none' }),
            nft.addChain(table, 'x'),
          ]),
        ),
      { code: 'ENOENT' },
    );
    assert.equal(listRuleset(), '');
  });

  test('each mistake of a transaction is answered, and none of the answers is taken for one to the next', async () => {
    using socket = new NetlinkSocket(12);
    const wrong = nft.transaction([1, 2, 3].map(number => nft.deleteTable({ ...table, name: `none${number}` })));
    const right = nft.transaction([nft.addTable(table), nft.deleteTable(table)]);
    await assert.rejects(socket.exchangeInBackground(wrong), { code: 'ENOENT' });
    await socket.exchangeInBackground(right);
    assert.throws(() => socket.exchange(wrong), { code: 'ENOENT' });
    socket.exchange(right);
  });
});
