import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fillConfig, fillHostConfig } from '../validate/fill.ts';
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
