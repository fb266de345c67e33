import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { findAppArmorParser } from '@gantry/linux';
import { defaultPolicy } from './apparmor.ts';

test('the default policy has the name of Docker, and lets the engine signal containers', () => {
  const policy = defaultPolicy('gantry-daemon', () => true);
  assert.match(
    policy,
    /^#include <tunables\/global>\nprofile docker-default flags=\(attach_disconnected,mediate_deleted\) \{\n/,
  );
  assert.match(policy, /^ {2}signal \(receive\) peer="unconfined",$/m);
  assert.match(policy, /^ {2}signal \(receive\) peer="gantry-daemon",$/m);
  assert.match(policy, /^ {2}deny mount,$/m);
});

test('it needs none of the files of the AppArmor package', () => {
  const policy = defaultPolicy('unconfined', () => false);
  assert.doesNotMatch(policy, /#include/);
  assert.match(policy, /^@\{PROC\}=\/proc\/\n/);
});

const parser = findAppArmorParser();
test('the parser takes it', { skip: parser === undefined && 'this machine lacks apparmor_parser' }, () => {
  for (const exists of [existsSync, () => false])
    execFileSync(parser ?? '', ['--skip-kernel-load', '--skip-cache'], { input: defaultPolicy('unconfined', exists) });
});
