import { spawn } from 'node:child_process';
import { closeSync, openSync, writeSync } from 'node:fs';
import { duplicateDescriptor } from './native.ts';

/** Set in the environment of the background process; the value is the descriptor on which it reports the outcome of its start. */
const CHILD_VARIABLE = 'ALCES_DAEMON_STATUS_FD';

/** Whether this process was started by `relayBackgroundStart` and has not let go of its starter yet. */
export function isBackgroundProcess(): boolean {
  return process.env[CHILD_VARIABLE] !== undefined;
}

/** Runs the real daemon in the background and relays its start-up messages until it is up. Answers its exit status. */
export function relayBackgroundStart(argv: readonly string[]): Promise<number> {
  const script = process.argv[1];
  if (script === undefined) throw new Error('no script to run in the background');
  const child = spawn(process.execPath, [...process.execArgv, script, ...argv], {
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    env: { ...process.env, [CHILD_VARIABLE]: '3' },
  });
  const { stderr } = child;
  if (stderr === null) throw new Error('the background process has no standard error');
  return new Promise((resolve, reject) => {
    let status: number | undefined;
    child.on('error', reject);
    stderr.on('data', (bytes: Buffer) => writeSync(2, bytes));
    child.stdio[3]?.on('data', (bytes: Buffer) => {
      status = bytes[0];
    });
    // Both pipes close when the daemon is up or dead, whichever comes first.
    let open = 2;
    const closed = () => {
      if (--open > 0) return;
      child.unref();
      resolve(status ?? 1);
    };
    stderr.on('close', closed);
    child.stdio[3]?.on('close', closed);
  });
}

/** Tells the relaying process how the start ended and lets go of its pipes. */
export function detachFromStarter(status: number): void {
  const fd = process.env[CHILD_VARIABLE];
  if (fd === undefined) return;
  delete process.env[CHILD_VARIABLE];
  const statusFd = Number(fd);
  writeSync(statusFd, Buffer.from([status]));
  closeSync(statusFd);
  const nowhere = openSync('/dev/null', 'w');
  duplicateDescriptor(nowhere, 2);
  closeSync(nowhere);
}
