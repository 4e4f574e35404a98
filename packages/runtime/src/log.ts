import { createRequire } from 'node:module';
import type Pino from 'pino';
import type { Logger } from 'pino';
import type Pretty from 'pino-pretty';
import { openSyslog, writeSyslog } from './native.ts';

export type { Logger } from 'pino';

export interface LoggerOptions {
  /** Program name as shown in the log (`SYSLOG_IDENT`). */
  name: string;
  /** `terminal`: human-readable on standard error; `syslog`: the system's log; otherwise JSON lines appended to this file. */
  target: 'terminal' | 'syslog' | { file: string };
  level?: 'debug' | 'info' | 'warn' | 'error';
}

/** Only daemons log; tools, and programs that start a daemon, need not load dozens of modules for it. */
const load = createRequire(import.meta.url);
const loadPino = () => load('pino') as typeof Pino;
const loadPretty = () => load('pino-pretty') as typeof Pretty;

const MOST_UNWRITTEN_BYTES = 1 << 20;

/** The open files of loggers that write to one. */
const files = new WeakMap<Logger, { reopen(): void }>();

/** Sends each JSON record's message to syslog, further fields behind it as JSON. */
function syslogStream(name: string): { write(record: string): void } {
  openSyslog(name);
  return {
    write(record) {
      const { level, msg, time: _time, pid: _pid, hostname: _hostname, name: _name, ...rest } = JSON.parse(record);
      const priority = level >= 50 ? 3 : level >= 40 ? 4 : level >= 30 ? 5 : 7;
      writeSyslog(priority, Object.keys(rest).length > 0 ? `${msg} ${JSON.stringify(rest)}` : String(msg));
    },
  };
}

/** A pino logger for a daemon. */
export function createLogger(options: LoggerOptions): Logger {
  const settings = { name: options.name, level: options.level ?? 'info' };
  const pino = loadPino();
  if (options.target === 'terminal') {
    const pretty = loadPretty();
    return pino(settings, pretty({ destination: 2, sync: true, ignore: 'hostname', translateTime: 'SYS:HH:MM:ss.l' }));
  }
  if (options.target === 'syslog') return pino(settings, syslogStream(options.name));
  const dest = options.target.file;
  const file = pino.destination({ dest, append: true, sync: true, mkdir: true, maxLength: MOST_UNWRITTEN_BYTES });
  // A disk that is full takes no lines; that must not end the daemon. What fits is written later.
  file.on('error', () => {});
  const readable = { timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (level: string) => ({ level }) } };
  const logger = pino({ ...settings, ...readable }, file);
  files.set(logger, file);
  return logger;
}

/** Opens the file of a logger anew, so that log rotation can rename it. Nothing for other targets. */
export function reopenLog(logger: Logger): void {
  files.get(logger)?.reopen();
}
