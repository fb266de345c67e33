import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NetworkRecord } from '@gantry/network';
import { fillConfig, fillHostConfig } from '../validate/fill.ts';
import { checkEndpointSettings, checkLinkLocal } from './endpoint-settings.ts';
import { portRequests, wantedNetworks } from './networks.ts';

test('published ports are requests, ranges and free ports among them', () => {
  const config = fillConfig({ ExposedPorts: { '80/tcp': {}, '53/udp': {} } });
  const bindings = {
    '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '8000-8010' }],
    '90/udp': [{ HostIp: '', HostPort: '' }],
  };
  const host = fillHostConfig({ PortBindings: bindings, PublishAllPorts: true });
  assert.deepEqual(portRequests(config, host), [
    { protocol: 'tcp', containerPort: 80, hostIp: '127.0.0.1', hostPort: 8000, hostPortEnd: 8010 },
    { protocol: 'udp', containerPort: 90, hostIp: '', hostPort: 0, hostPortEnd: 0 },
    { protocol: 'udp', containerPort: 53, hostIp: '', hostPort: 0, hostPortEnd: 0 },
  ]);
});

test('the network mode comes first, endpoints add to it, a shared network has none of its own', () => {
  const config = fillConfig({});
  const endpoints = { EndpointsConfig: { front: { Aliases: ['web'] }, default: null } };
  const names = (mode: string) => Object.keys(wantedNetworks(config, fillHostConfig({ NetworkMode: mode }), endpoints));
  assert.deepEqual(names('bridge'), ['bridge', 'front']);
  assert.deepEqual(names('back'), ['back', 'front', 'bridge']);
  assert.deepEqual(names('container:web'), []);
});

test('addresses are refused where dockerd refuses them, in its words', () => {
  const shared = { EndpointsConfig: { 'container:web': { IPAMConfig: { IPv4Address: '1.2.3.4' } } } };
  assert.throws(() => wantedNetworks(fillConfig({}), fillHostConfig({ NetworkMode: 'container:1f2e' }), shared), {
    message:
      'invalid config for network container:web: invalid endpoint settings:\nuser specified IP address is supported on user defined networks only',
  });
  const bridge = {
    name: 'bridge',
    subnets: [{ subnet: '172.17.0.0/16', gateway: '172.17.0.1' }],
  } as unknown as NetworkRecord;
  assert.throws(() => checkEndpointSettings(bridge, { IPAMConfig: { IPv6Address: 'fd00::9' } }, ''), {
    message: [
      'invalid endpoint settings:',
      '* user specified IP address is supported on user defined networks only',
      '* user specified IP address is supported only when connecting to networks with user configured subnets',
    ].join('\n'),
  });
  assert.throws(() => checkEndpointSettings(bridge, { Aliases: ['web'] }, ''), {
    message:
      'invalid endpoint settings:\nnetwork-scoped alias is supported only for containers in user defined networks',
  });
  const settings = { IPAMConfig: { LinkLocalIPs: ['1.2.3.4'] } };
  assert.doesNotThrow(() => checkEndpointSettings(bridge, settings, ''));
  assert.throws(() => checkLinkLocal(settings, 'at the start: '), {
    message: 'at the start: invalid link local IP address: 1.2.3.4',
  });
});
