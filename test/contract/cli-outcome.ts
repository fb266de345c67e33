import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { readdirSync, rmdirSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { type Ended, execute } from '../harness/execute.ts';
import { until } from '../harness/raw.ts';
import type { CliCase, Step } from './cli-case.ts';

/** What a case did, with what is different by nature made alike. */
export type Outcome = {
  /** By step: status, output, errors. */
  readonly steps: readonly (readonly [code: number, stdout: string, stderr: string])[];
  readonly events: readonly string[];
  /** What inspect shows, by path; in a record only what is not as in a plain container. */
  readonly inspect: Readonly<Record<string, unknown>>;
};

type CommandStep = Exclude<Step, { readonly until: string }>;
type Event = { readonly Action: string; readonly Actor: { readonly Attributes: Readonly<Record<string, string>> } };

/** One of the engines, driven by the official client. */
export class Engine {
  readonly #host: string;
  readonly #name: string;
  readonly #folder: string;
  readonly #image: string;
  readonly #port: number;
  readonly #settleMs: number;
  #begunMs = 0;

  /**
   * @param port the first of ten that are free on 127.0.0.1
   * @param settleMs how late after an answer its events may come
   */
  constructor(host: string, name: string, folder: string, port: number, settleMs: number) {
    this.#settleMs = settleMs;
    this.#port = port;
    this.#host = host;
    this.#name = name;
    this.#folder = folder;
    this.#image = `${name}/busybox`;
  }

  async import(archive: string): Promise<void> {
    const { code, stderr } = await this.#docker(['import', archive, this.#image]);
    if (code !== 0) throw new Error(stderr);
  }

  /** Runs a case from a clean state and tells what it did. */
  async outcome(item: CliCase): Promise<Outcome> {
    this.#begunMs = Date.now();
    await using events = new EventStream(this.#host, this.#name);
    await events.begun;
    const beside: Promise<Ended>[] = [];
    const ended: (Ended | Promise<Ended>)[] = [];
    const lines: CommandStep[] = [];
    for (const step of item.steps) {
      if (typeof step === 'object' && 'until' in step) {
        await events.until(step.until, step.times);
        continue;
      }
      lines.push(step);
      const running = this.#run(step);
      if (typeof step !== 'string' && step.begunBy !== undefined) {
        await events.until(step.begunBy);
        beside.push(running);
        ended.push(running);
      } else {
        ended.push(await running);
      }
    }
    await Promise.all(beside);
    const steps = (await Promise.all(ended)).map(({ code, stdout, stderr }, index) => {
      const step = lines[index];
      const ignore = typeof step === 'object' && step.ignoreOutput;
      return [code, ignore ? '' : this.#plain(stdout), this.#plain(stderr)] as const;
    });
    const inspected = item.gone ? undefined : await this.#api('GET', `/containers/${this.#name}/json`);
    const told = item.eventless ? [] : await events.all(this.#settleMs);
    await this.#removeAll();
    return {
      steps,
      events: settleEvents(told).map(event => this.#plain(describe(event))),
      inspect: Object.fromEntries(
        [...leaves(inspected, '')].map(([path, value]) => [path, settle(path, value, text => this.#plain(text))]),
      ),
    };
  }

  async cleanUp(): Promise<void> {
    await this.#removeAll();
    await this.#docker(['rmi', '-f', this.#image]);
    // As dockerd, we leave a control group that somebody else may have made.
    for (const hierarchy of ['', ...readdirSync('/sys/fs/cgroup')])
      removeGroup(join('/sys/fs/cgroup', hierarchy, `${this.#name}-parent`));
  }

  async #removeAll(): Promise<void> {
    for (const suffix of ['', '2']) await this.#api('DELETE', `/containers/${this.#name}${suffix}?force=1&v=1`);
    for (const file of ['cid', 'export.tar']) rmSync(join(this.#folder, file), { force: true });
  }

  #run(step: CommandStep): Promise<Ended> {
    const { line, input, terminal } = typeof step === 'string' ? { line: step } : step;
    const words = split(line).map(word =>
      word
        .replaceAll('@', this.#name)
        .replaceAll('#', this.#folder)
        .replaceAll('IMAGE', this.#image)
        .replaceAll('NOW', (Date.now() / 1000).toFixed(3))
        .replaceAll('BEGUN', (this.#begunMs / 1000).toFixed(3))
        .replace(/%(\d)/g, (_, digit: string) => String(this.#port + Number(digit))),
    );
    return terminal ? inTerminal(this.#host, words, terminal) : this.#docker(words, input);
  }

  #docker(words: readonly string[], input?: string): Promise<Ended> {
    return execute('docker', ['-H', this.#host, ...words], {
      input,
      env: { PATH: process.env.PATH, HOME: this.#folder },
    });
  }

  /** A request of the suite's own, which needs no process. What it asks for may not be there: undefined. */
  #api(method: string, path: string): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const socketPath = this.#host.replace('unix://', '');
      const asked = request({ socketPath, method, path: `/v1.50${path}`, agent: false }, answer => {
        const chunks: Buffer[] = [];
        answer.on('data', chunk => chunks.push(chunk));
        answer.once('error', reject);
        answer.once('end', () =>
          resolve(answer.statusCode === 200 ? JSON.parse(Buffer.concat(chunks).toString()) : undefined),
        );
      });
      asked.once('error', reject);
      asked.end();
    });
  }

  #plain(text: string): string {
    const ported = text.replace(new RegExp(`\\b${Math.trunc(this.#port / 10)}(\\d)\\b`, 'g'), '%$1');
    return plain(ported, this.#name, this.#folder);
  }
}

function plain(text: string, name: string, folder: string): string {
  return text
    .replaceAll(`${name}/busybox`, 'IMAGE')
    .replaceAll(folder, '#')
    .replaceAll(name, '@')
    .replaceAll('\r\n', '\n')
    .replace(/\b[0-9a-f]{64}\b/g, 'ID')
    .replace(/\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{12}\b/g, 'SHORTID')
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)/g, 'TIME')
    .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4} \w+/g, 'TIME')
    .replace(/(Less than a second|About a \w+|\d+ seconds?|\d+ minutes?)( ago|(?= *$)|(?=[ "])|(?= \())/gm, 'AWHILE$2')
    .replace(/ on [\d.]+:53(?=: )/g, '')
    .replace(/ {2,}/g, '  ');
}

/**
 * Without what comes by chance: whether the end of a client counts as a detach, which of `stop` and `die` dockerd tells first,
 * that it tells of one end twice, and of the destruction of what it never made.
 */
function settleEvents(events: readonly Event[]): readonly Event[] {
  const first = events.findIndex(({ Action }) => Action !== 'destroy');
  const kept = (first < 0 ? [] : events.slice(first)).filter(({ Action }) => Action !== 'detach');
  for (let at = kept.length - 1; at > 0; at--) {
    if (kept[at]?.Action === 'die' && kept[at - 1]?.Action === 'die') kept.splice(at, 1);
  }
  for (let at = 1; at < kept.length; at++) {
    const [before, after] = [kept[at - 1], kept[at]];
    if (before?.Action === 'stop' && after?.Action === 'die') kept.splice(at - 1, 2, after, before);
  }
  return kept;
}

function describe({ Action, Actor }: Event): string {
  const attributes = Object.entries(Actor.Attributes)
    .filter(([key]) => !['execID', 'execDuration', 'name', 'image'].includes(key))
    .map(([key, value]) => `${key}=${value}`);
  return [Action, ...attributes.sort()].join(' ');
}

function removeGroup(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // of another hierarchy
  }
}

/** What is of one host, of one moment, or of the name of the engine's own things. */
const OWN =
  /^\.(Id|Name|Image|Created|Platform|Driver|GraphDriver\..*|ResolvConfPath|HostnamePath|HostsPath|LogPath|State\.(StartedAt|FinishedAt|Pid)|ExecIDs|HostConfig\.ContainerIDFile|NetworkSettings\.(SandboxID|SandboxKey|Bridge)|.*\.(EndpointID|NetworkID|MacAddress|IPAddress|Gateway|GlobalIPv6Address|IPv6Gateway|DNSNames\[\d+\])|Mounts\[\d+\]\.(Name|Source)|Config\.Hostname)$/;

function settle(path: string, value: unknown, plainText: (text: string) => string): unknown {
  if (OWN.test(path)) return value === '' || value === null || value === 0 ? value : typeof value;
  return typeof value === 'string' ? plainText(value) : value;
}

function* leaves(value: unknown, path: string): Generator<readonly [string, unknown]> {
  if (Array.isArray(value) && value.length > 0) {
    for (const [index, item] of value.entries()) yield* leaves(item, `${path}[${index}]`);
  } else if (typeof value === 'object' && value !== null && Object.keys(value).length > 0) {
    for (const [key, item] of Object.entries(value))
      yield* leaves(item, `${path}.${/[./]/.test(key) ? `"${key}"` : key}`);
  } else if (path !== '') {
    yield [path, value];
  }
}

/** An outcome with what inspect shows differently from the plain container's, without the paths that differ on purpose. */
export function changesOf(outcome: Outcome, base: Outcome | undefined, ignore: readonly string[] = []): Outcome {
  const before = base?.inspect ?? {};
  const changed: Record<string, unknown> = {};
  if (Object.keys(outcome.inspect).length > 0) {
    for (const path of new Set([...Object.keys(before), ...Object.keys(outcome.inspect)].sort())) {
      if (ignore.includes(path) || JSON.stringify(before[path]) === JSON.stringify(outcome.inspect[path])) continue;
      changed[path] = path in outcome.inspect ? outcome.inspect[path] : 'absent';
    }
  }
  return { ...outcome, inspect: changed };
}

/** Words as a shell splits them: quotes of both kinds, nothing else. */
function split(line: string): string[] {
  return [...line.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g)].map(([word]) =>
    word.replace(/'([^']*)'|"([^"]*)"/g, (_, single?: string, double?: string) => single ?? double ?? ''),
  );
}

/** Runs the client in a terminal and answers what it shows. */
function inTerminal(
  host: string,
  words: readonly string[],
  answers: readonly (readonly [seen: string, send: string])[],
): Promise<Ended> {
  const line = ['docker', '-H', host, ...words].map(word => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  return new Promise((resolve, reject) => {
    const child: ChildProcessWithoutNullStreams = spawn('script', ['-qefc', line, '/dev/null'], {
      env: { PATH: process.env.PATH, TERM: 'xterm' },
      timeout: 30_000,
      killSignal: 'SIGKILL',
    });
    let shown = '';
    let looked = 0;
    const waiting = [...answers];
    const look = (): void => {
      const [next] = waiting;
      if (!next) return;
      const at = shown.indexOf(next[0], looked);
      if (at < 0) return;
      looked = shown.length;
      waiting.shift();
      child.stdin.write(next[1]);
      if (next[0] === '') look();
    };
    child.stdout.on('data', chunk => {
      shown += String(chunk);
      look();
    });
    child.stdin.on('error', () => {});
    child.once('spawn', look);
    child.once('error', reject);
    child.once('close', code =>
      resolve({
        code: code ?? -1,
        stdout: shown.replace(/[\r\n]+/g, '\n').replace(/(?<!\n)(?=read escape)/g, '\n'),
        stderr: '',
      }),
    );
  });
}

/** The events of the containers of one name, as they come. */
class EventStream implements AsyncDisposable {
  readonly begun: Promise<void>;
  readonly #request;
  readonly #events: Event[] = [];

  constructor(host: string, name: string) {
    const filters = JSON.stringify({ type: ['container'], container: [name] });
    this.#request = request({
      socketPath: host.replace('unix://', ''),
      path: `/v1.50/events?filters=${encodeURIComponent(filters)}`,
      agent: false,
    });
    this.begun = new Promise((resolve, reject) => {
      this.#request.once('error', reject);
      this.#request.once('response', answer => {
        resolve();
        let text = '';
        answer.on('error', () => {});
        answer.on('data', chunk => {
          text += String(chunk);
          const lines = text.split('\n');
          text = lines.pop() ?? '';
          this.#events.push(...lines.filter(Boolean).map(line => JSON.parse(line) as Event));
        });
      });
      this.#request.end();
    });
  }

  async until(action: string, times = 1): Promise<void> {
    const count = (): number => this.#events.filter(({ Action }) => Action === action).length;
    await until(() => (count() >= times ? undefined : `${count()} events ${action}`), 20_000);
  }

  /** All until now: those of this moment have come when no more follow for `settleMs`. */
  async all(settleMs: number): Promise<readonly Event[]> {
    for (let before = -1; before !== this.#events.length; ) {
      before = this.#events.length;
      await new Promise(done => setTimeout(done, settleMs));
    }
    return [...this.#events];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#request.on('error', () => {});
    this.#request.destroy();
  }
}
