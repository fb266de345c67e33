import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { startDaemon } from '../harness/daemon.ts';
import { busyboxArchive } from '../harness/image.ts';
import { rootOnly } from '../harness/skip.ts';
import type { CliCase, Step } from './cli-case.ts';
import { changesOf, Engine, type Outcome } from './cli-outcome.ts';
import { runCases } from './cli-run-cases.ts';
import { verbCases } from './cli-verb-cases.ts';
import { lacksPeer, PEER_SOCKET } from './peer.ts';

/** What dockerd 28.5 did, by command lines; written anew with GANTRY_RECORD=1 where one runs. */
const cliCases = [...runCases, ...verbCases];
const RECORD = join(import.meta.dirname, 'cli-recorded.json');
const { client: recordedClient, cases: recorded } = JSON.parse(readFileSync(RECORD, 'utf8')) as {
  readonly client: string;
  readonly cases: Record<string, Outcome>;
};

const titleOf = ({ steps }: CliCase): string => steps.map(lineOf).join('; ').slice(0, 200);
const lineOf = (step: Step): string =>
  typeof step === 'string' ? step : 'until' in step ? `${step.times} × ${step.until}` : step.line;

/**
 * The same command lines of the official client to us, and to a running dockerd: exit statuses, output, errors, events, and
 * what inspect shows of the container. Without a dockerd, what it did when it was recorded. GANTRY_CASE=1,2 runs those.
 */
test('command lines do, print and refuse what they do with dockerd', {
  skip: rootOnly || lacksClient(),
  timeout: 900_000,
}, async t => {
  const peerIsMissing = lacksPeer();
  await using daemon = await startDaemon({ images: [] });
  const name = `gantry-cli-${randomBytes(3).toString('hex')}`;
  const folders = [`/tmp/${name}-ours`, `/tmp/${name}-theirs`] as const;
  folders.forEach(layOut);
  const ours = new Engine(`unix://${daemon.socket}`, name, folders[0], 18550, 10);
  const theirs = new Engine(`unix://${PEER_SOCKET}`, name, folders[1], 18560, 100);
  const engines = peerIsMissing ? [ours] : [ours, theirs];
  const only = process.env.GANTRY_CASE?.split(',').map(Number);
  const written: Record<string, Outcome> = { ...recorded };
  try {
    for (const engine of engines) await engine.import(busyboxArchive());
    const bases = await Promise.all(engines.map(engine => engine.outcome({ steps: [firstLine()] })));
    for (const [index, item] of cliCases.entries()) {
      if (only && !only.includes(index)) continue;
      const title = titleOf(item);
      const skip = item.hostDependent && peerIsMissing;
      await t.test(`${index}: ${title}`, { skip }, async () => {
        const outcomes = await Promise.all(engines.map(engine => engine.outcome(item)));
        const [our, their] = outcomes.map((outcome, side) =>
          index === 0 ? outcome : changesOf(outcome, bases[side], item.ignore),
        );
        assert.ok(our);
        if (index !== 0 && !item.hostDependent && their) written[title] = their;
        const expected = their ?? recorded[title];
        // The first, whole, has too much of its host in it.
        if (index === 0 && !their) return;
        assert.ok(expected, 'it was never recorded: run this with GANTRY_RECORD=1 beside a dockerd');
        assert.deepEqual(our, expected);
      });
    }
    if (process.env.GANTRY_RECORD) {
      const titles = cliCases.map(titleOf).filter(title => title in written);
      const lines = titles.map(title => `${JSON.stringify(title)}: ${JSON.stringify(written[title])}`);
      writeFileSync(RECORD, `{"client": ${JSON.stringify(clientVersion())}, "cases": {\n${lines.join(',\n')}\n}}\n`);
    }
  } finally {
    await Promise.all(engines.map(engine => engine.cleanUp()));
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  }
});

/** As `28`: the words of its errors change with the client. */
function clientVersion(): string {
  const { stdout } = spawnSync('docker', ['version', '--format', '{{.Client.Version}}'], { encoding: 'utf8' });
  return stdout.split('.')[0] ?? '';
}

function lacksClient(): string | false {
  const isOther = lacksPeer() !== false && clientVersion() !== recordedClient;
  return isOther && `this machine lacks a dockerd, or a docker client ${recordedClient} with which one was recorded`;
}

function firstLine(): Step {
  const [first] = cliCases[0]?.steps ?? [];
  if (first === undefined) throw new Error('there are no cases');
  return first;
}

/** The files that command lines name by `#`. */
function layOut(folder: string): void {
  mkdirSync(folder);
  const files = {
    env: 'FROM_FILE=one two\n# comment\nALSO=x\n',
    badenv: 'with space=x\n',
    labels: 'from.file=label\n',
    'seccomp.json': JSON.stringify({
      defaultAction: 'SCMP_ACT_ALLOW',
      syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO' }],
    }),
  };
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
}
