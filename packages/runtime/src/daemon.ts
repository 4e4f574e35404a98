import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { detachFromStarter, isBackgroundProcess, relayBackgroundStart } from './background.ts';
import { type DaemonOptions, parseCommandLine, usageText } from './commandLine.ts';
import { type Config, parseConfig } from './config.ts';
import { isMissing, reasonOf } from './errors.ts';
import { LockFile } from './lockFile.ts';
import { createLogger, type Logger, reopenLog } from './log.ts';
import { lockMemory, raiseOpenFilesLimit } from './native.ts';
import { changeUser } from './user.ts';

const VERSION_TEXT = 'version: 3.0.117-1 ; build: alces';

/** What a daemon gets when it starts. */
export interface DaemonContext {
  config: Config;
  options: DaemonOptions;
  log: Logger;
  /** Absolute; also the current directory. */
  dataPath: string;
  /** A line for the operator who started the daemon: on standard error until the daemon is up, in the log afterwards. */
  say(line: string): void;
  /** The configuration read again; undefined when the file can't be read (then old values stay). */
  rereadConfig(): Config | undefined;
  /** An error after which the daemon can't go on: logged, orderly stop, exit status 1. */
  fail(error: Error): void;
}

/** A started daemon. */
export interface RunningDaemon {
  /** SIGHUP. */
  reload(): void | Promise<void>;
  /** SIGUSR1: lines about the state, for the log. */
  info(): string[];
  /** SIGTERM: orderly end; everything saved when it resolves. */
  stop(): Promise<void>;
  /** SIGUSR2, for the action `save`: stores the metadata now and answers a line that says where; rejects with the reason. */
  save?(): Promise<string>;
}

export interface DaemonDefinition {
  /** `mfsmaster`: names the configuration file, the lock file and the process. */
  name: string;
  openFilesLimit: number;
  isMaster?: boolean;
  /** Knows the action `save`. */
  canSave?: boolean;
  /** Starts serving; a thrown error's message is shown and the exit status is 1. */
  start(context: DaemonContext): Promise<RunningDaemon>;
  /** The action `restore`: does the work and answers the exit status. */
  restore?(context: DaemonContext): Promise<number>;
}

function readConfig(name: string, options: DaemonOptions, report: (message: string) => void): Config | undefined {
  const places = options.configFile !== undefined ? [options.configFile] : [`/etc/mfs/${name}.cfg`, `/etc/${name}.cfg`];
  for (const [index, path] of places.entries()) {
    let content: Buffer;
    try {
      content = readFileSync(path);
    } catch (error) {
      const missing = isMissing(error);
      if (!missing) report(`can't load main config file (${path}): ${reasonOf(error)}`);
      else if (options.configFile !== undefined) report(`main config file (${path}) not found`);
      if (options.configFile !== undefined) return undefined;
      continue;
    }
    if (index === 1) report(`default sysconf path has changed - please move ${name}.cfg from /etc/ to /etc/mfs/`);
    const config = parseConfig(content, path, { report, tellDefaults: options.tellDefaults });
    for (const warning of config.warnings) report(`${warning.message} (line ${warning.line})`);
    return config;
  }
  report(`can't load config file: ${places[0]} - using defaults`);
  return parseConfig('', places[0] ?? name, { report, tellDefaults: options.tellDefaults });
}

/** Standard error while the starter is watching, the log afterwards. */
class Announcer {
  #log: Logger | undefined;

  readonly say = (line: string): void => {
    if (this.#log) this.#log.info(line);
    else writeSync(2, `${line}\n`);
  };

  switchTo(log: Logger): void {
    this.#log = log;
  }
}

async function terminateOwner(
  lock: LockFile,
  pid: number,
  options: DaemonOptions,
  signal: 'SIGTERM' | 'SIGKILL',
): Promise<boolean> {
  writeSync(2, `sending ${signal} to lock owner (pid:${pid})\nwaiting for termination `);
  const send = (target: number) => {
    try {
      process.kill(target, signal);
    } catch (error) {
      // Gone already: then the lock is free and the wait ends at once.
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
    }
  };
  send(pid);
  const changed = (owner: number) => {
    writeSync(2, '\nnew lock owner detected\n');
    send(owner);
  };
  const free = await lock.waitFree(options.lockTimeoutMs, changed, () => writeSync(2, '.'));
  writeSync(2, free ? 'terminated\n' : ':giving up\n');
  return free;
}

/** Where a daemon leaves how the last `save` that was asked for went: JSON of `SaveOutcome`. */
const saveOutcomePath = (name: string) => join(process.cwd(), `.${name}.saved`);
const SAVE_POLL_MS = 50;

interface SaveOutcome {
  /** Distinguishes one save from the next. */
  finished: string;
  done: boolean;
  line: string;
}

function readSaveOutcome(name: string): SaveOutcome | undefined {
  try {
    return JSON.parse(readFileSync(saveOutcomePath(name), 'utf8')) as SaveOutcome;
  } catch {
    return undefined;
  }
}

/** The file is made with its full length at the start: to overwrite it takes no space, and a full disk is when it is needed. */
const SAVE_OUTCOME_BYTES = 2048;
const SAVE_LINE_LETTERS = 400;

function makeSaveOutcome(name: string, log: Logger): void {
  try {
    writeFileSync(saveOutcomePath(name), ' '.repeat(SAVE_OUTCOME_BYTES));
  } catch (error) {
    log.warn(`can't write ${saveOutcomePath(name)}: ${reasonOf(error)} - 'save' will not hear how it went`);
  }
}

function writeSaveOutcome(name: string, log: Logger, done: boolean, line: string): void {
  const finished = `${process.pid}.${process.hrtime.bigint()}`;
  const outcome: SaveOutcome = { finished, done, line: line.slice(0, SAVE_LINE_LETTERS) };
  const bytes = Buffer.alloc(SAVE_OUTCOME_BYTES, ' ');
  bytes.write(JSON.stringify(outcome));
  try {
    const file = openSync(saveOutcomePath(name), 'r+');
    try {
      writeSync(file, bytes, 0, bytes.length, 0);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    log.error(`can't write ${saveOutcomePath(name)}: ${reasonOf(error)}`);
  }
}

/** Lets the running daemon store its metadata and waits until it has. Answers the exit status. */
async function saveByOwner(definition: DaemonDefinition, lock: LockFile, options: DaemonOptions): Promise<number> {
  const { name } = definition;
  if (definition.canSave !== true) {
    writeSync(2, `${name} has no action 'save'\n`);
    return 1;
  }
  const before = readSaveOutcome(name)?.finished;
  const sent = signalOwner(lock, 'SIGUSR2', 'save');
  if (sent !== 0) return sent;
  const endMs = performance.now() + options.lockTimeoutMs;
  while (performance.now() < endMs) {
    const outcome = readSaveOutcome(name);
    if (outcome !== undefined && outcome.finished !== before) {
      writeSync(2, `${outcome.line}\n`);
      return outcome.done ? 0 : 1;
    }
    if (lock.owner() === undefined) {
      writeSync(2, `${name} ended before it had saved\n`);
      return 1;
    }
    await new Promise((resolve) => setTimeout(resolve, SAVE_POLL_MS));
  }
  writeSync(2, 'giving up waiting\n');
  return 1;
}

function signalOwner(lock: LockFile, signal: 'SIGHUP' | 'SIGUSR1' | 'SIGUSR2', word: string): number {
  const owner = lock.owner();
  if (owner === undefined) {
    writeSync(2, `can't find process to send ${word} signal\n`);
    return 1;
  }
  process.kill(owner, signal);
  writeSync(2, `${word} signal has been sent\n`);
  return 0;
}

/** Does an action on the process that holds the lock (spec 60 §4.4). Undefined: go on and start. */
async function actOnOwner(
  definition: DaemonDefinition,
  lock: LockFile,
  options: DaemonOptions,
): Promise<number | undefined> {
  const owner = lock.owner();
  switch (options.action) {
    case 'test':
    case 'status':
      writeSync(2, owner === undefined ? `${definition.name} is not running\n` : `${definition.name} pid: ${owner}\n`);
      return owner === undefined ? 1 : 0;
    case 'reload':
      return signalOwner(lock, 'SIGHUP', 'reload');
    case 'info':
      return signalOwner(lock, 'SIGUSR1', 'info');
    case 'save':
      return saveByOwner(definition, lock, options);
    case 'stop':
    case 'kill':
      if (owner === undefined) {
        writeSync(2, "can't find process to terminate\n");
        return 0;
      }
      return (await terminateOwner(lock, owner, options, options.action === 'kill' ? 'SIGKILL' : 'SIGTERM')) ? 0 : 1;
    case 'try-restart':
      if (owner === undefined) {
        writeSync(2, "can't find process to restart\n");
        return 1;
      }
      return (await terminateOwner(lock, owner, options, 'SIGTERM')) ? undefined : 1;
    case 'restart':
    case 'restore':
      return owner === undefined || (await terminateOwner(lock, owner, options, 'SIGTERM')) ? undefined : 1;
    case 'start':
      return undefined;
  }
}

const isStart = (options: DaemonOptions) =>
  options.action === 'start' || options.action === 'restart' || options.action === 'try-restart';

function prepareProcess(definition: DaemonDefinition, config: Config, say: (line: string) => void): void {
  say(`open files limit has been set to: ${raiseOpenFilesLimit(definition.openFilesLimit)}`);
  try {
    setPriority(config.signed('NICE_LEVEL', -19));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && (error.code === 'ERR_SYSTEM_ERROR' || error.code === 'EPERM')))
      throw error;
  }
}

/** Makes `ps`, `pidof` and keepalived's `track_process` see the daemon's name instead of the interpreter's. */
function showName(name: string, argv: readonly string[]): void {
  process.title = [name, ...argv].join(' ');
  writeFileSync('/proc/self/comm', name);
}

/** What needs the rights of the user who starts the daemon; answers lines for the log. */
function protectProcess(config: Config): string[] {
  const told: string[] = [];
  if (config.number('LOCK_MEMORY', 0) === 1)
    told.push(lockMemory() ? 'process memory was successfully locked in RAM' : 'memory lock error');
  if (config.number('DISABLE_OOM_KILLER', 1) !== 1) return told;
  try {
    writeFileSync('/proc/self/oom_score_adj', '-1000\n');
    told.push('out of memory killer disabled');
  } catch (error) {
    told.push(`can't disable out of memory killer: ${reasonOf(error)}`);
  }
  return told;
}

function daemonLogger(name: string, config: Config, options: DaemonOptions): Logger {
  const ident = config.string('SYSLOG_IDENT', name);
  const file = config.raw('LOG_FILE');
  return createLogger({ name: ident, target: options.foreground ? 'terminal' : file ? { file } : 'syslog' });
}

/** A daemon that has stopped has nothing more to do. */
const LINGER_MS = 2000;

/** Ends a process that has stopped although something was left open in it: who waits for its end, and for its lock, would wait for ever. */
function exitBeforeLong(log: Logger, status: number): void {
  setTimeout(() => {
    log.warn(`left open at the end: ${process.getActiveResourcesInfo().join(', ')}`);
    process.exit(status);
  }, LINGER_MS).unref();
}

/** Serves until a signal or a failure ends it. Answers the exit status. */
function serve(
  { name }: DaemonDefinition,
  running: RunningDaemon,
  log: Logger,
  failed: Promise<Error>,
  foreground: boolean,
): Promise<number> {
  return new Promise((resolve) => {
    let ending = false;
    const finish = (status: number) => {
      if (ending) return;
      ending = true;
      running.stop().then(
        () => {
          log.info(`process exited successfully (status:${status})`);
          exitBeforeLong(log, status);
          resolve(status);
        },
        (error: unknown) => {
          log.error(`stop: ${reasonOf(error)}`);
          exitBeforeLong(log, 1);
          resolve(1);
        },
      );
    };
    const terminate = () => {
      log.info('terminate signal received');
      finish(0);
    };
    if (running.save !== undefined) makeSaveOutcome(name, log);
    process.on('SIGTERM', terminate);
    process.on('SIGINT', foreground ? terminate : () => {});
    process.on('SIGHUP', () => {
      // A file that was renamed by log rotation is left.
      reopenLog(log);
      log.info('reloading config files');
      Promise.resolve(running.reload()).catch((error: unknown) => log.error(`reload: ${reasonOf(error)}`));
    });
    process.on('SIGUSR1', () => {
      for (const line of running.info()) log.info(line);
    });
    process.on('SIGUSR2', () => {
      if (running.save === undefined) return;
      running.save().then(
        (line) => writeSaveOutcome(name, log, true, line),
        (error: unknown) => writeSaveOutcome(name, log, false, reasonOf(error)),
      );
    });
    for (const ignored of ['SIGPIPE', 'SIGTSTP', 'SIGTTIN', 'SIGTTOU', 'SIGQUIT'] as const)
      process.on(ignored, () => {});
    void failed.then((error) => {
      log.fatal(reasonOf(error));
      finish(1);
    });
  });
}

async function startAndServe(
  definition: DaemonDefinition,
  config: Config,
  options: DaemonOptions,
  lock: LockFile,
  announcer: Announcer,
  told: readonly string[],
): Promise<number> {
  const log = daemonLogger(definition.name, config, options);
  const ident = config.string('SYSLOG_IDENT', definition.name);
  let reportFailure: (error: Error) => void = () => {};
  const failed = new Promise<Error>((resolve) => {
    reportFailure = resolve;
  });
  const context: DaemonContext = {
    config,
    options,
    log,
    dataPath: process.cwd(),
    say: announcer.say,
    rereadConfig: () => readConfig(definition.name, options, (message) => log.warn(message)),
    fail: reportFailure,
  };
  if (options.action === 'restore') {
    if (definition.restore) return definition.restore(context);
    announcer.say(`not implemented in the ${definition.name.replace(/^mfs/, '')}`);
    return 0;
  }
  // Whatever escapes is a broken invariant: stop at once with what is known; the journal makes a restart safe.
  process.on('uncaughtException', (error) => {
    log.fatal({ stack: error.stack }, `internal error: ${error.message}`);
    announcer.say(`internal error: ${error.stack ?? error.message}`);
    process.exit(70);
  });
  for (const line of told) log.info(line);
  announcer.say(`initializing ${ident} modules ...`);
  let running: RunningDaemon;
  try {
    running = await definition.start(context);
  } catch (error) {
    announcer.say(reasonOf(error));
    announcer.say('error occurred during initialization - exiting');
    log.error(`start failed: ${reasonOf(error)}`);
    return 1;
  }
  lock.writePid();
  announcer.say(`${ident} daemon initialized properly`);
  announcer.switchTo(log);
  detachFromStarter(0);
  return serve(definition, running, log, failed, options.foreground);
}

/**
 * The whole life of a daemon program: command line, configuration, background, lock file, signals (spec 60 §4). Answers the
 * exit status for the shell.
 */
export async function runDaemon(definition: DaemonDefinition, argv: readonly string[]): Promise<number> {
  const parsed = parseCommandLine(argv, definition.isMaster === true);
  if (parsed.kind === 'version') {
    process.stdout.write(`${VERSION_TEXT}\n`);
    return 0;
  }
  if (parsed.kind === 'usage') {
    if (parsed.complaint) writeSync(2, `${parsed.complaint}\n`);
    process.stdout.write(usageText(definition.name, definition.isMaster === true, definition.canSave === true));
    return 1;
  }
  const { options } = parsed;
  if (isStart(options) && !options.foreground && !isBackgroundProcess()) return relayBackgroundStart(argv);
  for (const note of parsed.notes) process.stdout.write(`${note}\n`);
  const announcer = new Announcer();
  if (isStart(options)) showName(definition.name, argv);
  const config = readConfig(definition.name, options, announcer.say);
  if (!config) return 1;
  if (isStart(options)) prepareProcess(definition, config, announcer.say);
  const told = isStart(options) ? protectProcess(config) : [];
  try {
    changeUser(config);
  } catch (error) {
    announcer.say(reasonOf(error));
    return 1;
  }
  const dataPath = config.string('DATA_PATH', '/var/lib/mfs');
  if (isStart(options)) announcer.say(`working directory: ${dataPath}`);
  try {
    process.chdir(dataPath);
  } catch (error) {
    announcer.say(`can't set working directory to ${dataPath}: ${reasonOf(error)}`);
    return 1;
  }
  process.umask(config.number('FILE_UMASK', 0o27) & 0o77);
  const lock = new LockFile(join(process.cwd(), `.${definition.name}.lock`));
  const done = await actOnOwner(definition, lock, options);
  if (done !== undefined) return done;
  if (!lock.tryTake()) {
    announcer.say("can't start: lockfile is already locked by another process");
    return 1;
  }
  if (options.action === 'start') announcer.say('lockfile created and locked');
  return startAndServe(definition, config, options, lock, announcer, told);
}
