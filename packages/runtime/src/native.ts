import koffi from 'koffi';

/** The few system calls that Node does not offer and a daemon needs; libc is called directly. */
const libc = koffi.load('libc.so.6');

koffi.struct('flock', { l_type: 'int16', l_whence: 'int16', l_start: 'int64', l_len: 'int64', l_pid: 'int32' });
koffi.struct('rlimit', { current: 'uint64', maximum: 'uint64' });

const fcntlLock = libc.func('int fcntl(int fd, int command, _Inout_ flock *lock)');
const setrlimitCall = libc.func('int setrlimit(int resource, rlimit *limit)');
const mlockallCall = libc.func('int mlockall(int flags)');
const dup2Call = libc.func('int dup2(int from, int to)');
const openlogCall = libc.func('void openlog(const char *ident, int options, int facility)');
const syslogCall = libc.func('void syslog(int priority, const char *format, const char *text)');

const F_GETLK = 5;
const F_SETLK = 6;
const F_WRLCK = 1;
const F_UNLCK = 2;
const RLIMIT_NOFILE = 7;
const MCL_CURRENT_FUTURE_ONFAULT = 1 | 2 | 4;
const LOG_PID = 1;
const LOG_DAEMON = 3 << 3;

interface FileLock {
  l_type: number;
  l_whence: number;
  l_start: number;
  l_len: number;
  l_pid: number;
}

const wholeFileWriteLock = (): FileLock => ({ l_type: F_WRLCK, l_whence: 0, l_start: 0, l_len: 0, l_pid: 0 });

/** Takes a POSIX write lock over the whole file; false when another process holds one. Closing any descriptor of the file drops it. */
export function tryLockFile(fd: number): boolean {
  return fcntlLock(fd, F_SETLK, wholeFileWriteLock()) === 0;
}

/** The process that holds a lock on the file, undefined when nobody does. */
export function lockOwner(fd: number): number | undefined {
  const lock = wholeFileWriteLock();
  if (fcntlLock(fd, F_GETLK, lock) !== 0) throw new Error('fcntl(F_GETLK) failed');
  return lock.l_type === F_UNLCK ? undefined : lock.l_pid;
}

/** Sets the limit of open files; if the kernel refuses, less and less down to 1024 as the stock daemons do. Answers the limit set. */
export function raiseOpenFilesLimit(wanted: number): number {
  for (let limit = wanted; limit >= 1024; limit = Math.floor((limit * 3) / 4)) {
    if (setrlimitCall(RLIMIT_NOFILE, { current: limit, maximum: limit }) === 0) return limit;
  }
  return 0;
}

/** Keeps touched pages in memory. Untouched reservations of the JavaScript engine stay unlocked, or the lock could never succeed. */
export function lockMemory(): boolean {
  return mlockallCall(MCL_CURRENT_FUTURE_ONFAULT) === 0;
}

export function duplicateDescriptor(from: number, to: number): void {
  if (dup2Call(from, to) < 0) throw new Error(`dup2(${from}, ${to}) failed`);
}

// openlog keeps the pointer it is given, so the text must outlive the call.
let syslogIdent: Buffer | undefined;

export function openSyslog(ident: string): void {
  syslogIdent = Buffer.from(`${ident}\0`);
  openlogCall(syslogIdent, LOG_PID, LOG_DAEMON);
}

/** `priority`: 3 error, 4 warning, 5 notice, 6 info, 7 debug. */
export function writeSyslog(priority: number, text: string): void {
  syslogCall(priority, '%s', text);
}
