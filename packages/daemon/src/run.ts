import { closeSync, mkdirSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import { createApiServer } from '@gantry/api';
import type { Engine } from '@gantry/engine';
import { isGantryError, messageOf } from '@gantry/errors';
import { notifyServiceManager, unblockSignal } from '@gantry/linux';
import { type Given, helpText, parseCommandLine } from './config/command-line.ts';
import { type DaemonConfig, loadConfig } from './config/config.ts';
import { reloadedConfig } from './config/reload.ts';
import { ConfigError } from './config/values.ts';
import { readBuild } from './identity.ts';
import { openListeners, readHosts, readTls } from './listen/listeners.ts';
import { lockDirectory, writePidFile } from './lock.ts';
import { createLog, type Log } from './log.ts';
import { weighAgainstOtherSessions } from './weight.ts';

/** The exit status of a command line that is wrong, as with dockerd. */
const usageStatus = 125;
/** Beyond the time that containers get, this much for everything else to end. */
const shutdownGraceMs = 15_000;

/** Runs the daemon until it is told to stop; the process ends by itself then. */
export async function runDaemon(argv: readonly string[]): Promise<void> {
  let config: DaemonConfig;
  let given: Given;
  try {
    const commandLine = parseCommandLine(argv);
    if (commandLine.kind === 'help') {
      process.stdout.write(`${helpText()}\n`);
      return;
    }
    if (commandLine.kind === 'version') {
      const { version, gitCommit } = readBuild();
      process.stdout.write(`Gantry version ${version}, build ${gitCommit}\n`);
      return;
    }
    given = commandLine.given;
    config = loadConfig(given);
    readHosts(config);
    readTls(config);
    if (commandLine.validateOnly) {
      process.stdout.write('configuration OK\n');
      return;
    }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\nSee 'gantry daemon --help'.\n`);
    process.exitCode = /^(unknown|flag needs|invalid argument)/.test(error.message) ? usageStatus : 1;
    return;
  }
  const log = createLog(config.logFormat, config.debug ? 'debug' : config.logLevel);
  try {
    await serve(config, given, log);
  } catch (error) {
    const hint = isGantryError(error) && error.hint !== undefined ? ` (${error.hint})` : '';
    log.error(`failed to start daemon: ${messageOf(error)}${hint}`);
    if (error instanceof Error && error.stack) log.debug(error.stack);
    process.exit(1);
  }
}

async function serve(first: DaemonConfig, given: Given, log: Log): Promise<void> {
  let config = first;
  let engine: Engine | undefined;
  await using starting = new AsyncDisposableStack();
  if (process.getuid?.() !== 0) {
    throw new ConfigError('gantry daemon needs to be started with root privileges');
  }
  process.umask(0o022);
  weighAgainstOtherSessions();
  mkdirSync(config.dataRoot, { recursive: true, mode: 0o710 });
  mkdirSync(config.execRoot, { recursive: true, mode: 0o700 });
  starting.use(lockDirectory(config.dataRoot, 'data-root'));
  starting.use(lockDirectory(config.execRoot, 'exec-root'));
  starting.use(writePidFile(config.pidfile));
  onCrash(log, () => engine);

  // Loaded here, so that what needs no engine (help, a wrong flag) does not pay for it.
  const { openRooms } = await import('./rooms.ts');
  engine = await openRooms(() => config, log, starting);
  const running = engine;
  const apiLog = { debug: log.debug, error: log.error };
  starting.use(
    await openListeners(readHosts(config), config, tls => createApiServer(running, { log: apiLog, tls }), log),
  );
  const opened = starting.move();
  onSignals({
    stop: async signal => {
      log.info(`processing signal '${signal}'`);
      const limitMs = (config.liveRestore ? 0 : config.shutdownTimeoutSeconds * 1000) + shutdownGraceMs;
      setTimeout(() => {
        log.error(`the daemon did not stop within ${limitMs / 1000} s, giving up`);
        process.exit(1);
      }, limitMs).unref();
      await opened.disposeAsync();
      log.info('daemon shutdown complete');
      process.exit(0);
    },
    reload: () => {
      config = reloadedConfig(config, given, log);
    },
    dump: async () => {
      const { dumpState } = await import('./dump.ts');
      log.info(`jobs and stacks dumped to ${dumpState(config.execRoot, running)}`);
    },
    failed: (what, error) => {
      log.error(`${what} failed`, error);
      if (what === 'shutdown') process.exit(1);
    },
  });
  log.info(`Gantry ${readBuild().version} is ready after ${Math.round(performance.now())} ms`);
  announceReady(log);
}

type SignalHandlers = {
  stop(signal: string): Promise<void>;
  reload(): void;
  dump(): Promise<void>;
  failed(what: string, error: unknown): void;
};

function onSignals({ stop, reload, dump, failed }: SignalHandlers): void {
  let stops = 0;
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const) {
    process.on(signal, () => {
      stops++;
      if (stops === 1) stop(signal).catch(error => failed('shutdown', error));
      // Whoever asks a third time does not want to wait.
      else if (stops === 3) process.exit(1);
    });
  }
  process.on('SIGHUP', () => {
    try {
      reload();
    } catch (error) {
      failed('reload of the configuration', error);
    }
  });
  unblockSignal(constants.signals.SIGUSR1);
  process.on('SIGUSR1', () => {
    dump().catch(error => failed('dump', error));
  });
  process.on('SIGPIPE', () => {});
}

/** A bug must not leave a daemon that half works: what is queued is written, then the process ends. Containers live on. */
function onCrash(log: Log, engine: () => Engine | undefined): void {
  const crash = (error: unknown): void => {
    log.error(`the daemon crashed: ${messageOf(error)}`, error);
    if (error instanceof Error && error.stack) log.error(error.stack);
    const running = engine()?.jobs.running.size ?? 0;
    if (running > 0) log.error(`${running} jobs were running`);
    process.exit(2);
  };
  process.on('uncaughtException', crash);
  process.on('unhandledRejection', crash);
}

/** Tells who started this daemon that it answers: by a pipe, or by systemd's socket. */
function announceReady(log: Log): void {
  const { NOTIFY_SOCKET } = process.env;
  if (NOTIFY_SOCKET) {
    try {
      notifyServiceManager(NOTIFY_SOCKET, 'READY=1');
    } catch (error) {
      log.warn('the service manager could not be told that the daemon is ready', error);
    }
  }
  const descriptor = Number(process.env.GANTRY_READY_FD);
  if (!Number.isInteger(descriptor) || descriptor < 3) return;
  try {
    writeSync(descriptor, 'ready\n');
    closeSync(descriptor);
  } catch {
    // Whoever asked has gone.
  }
}
