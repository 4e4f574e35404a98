import { execFile } from 'node:child_process';
import { constants, openSync, statSync, unlinkSync } from 'node:fs';
import { Socket } from 'node:net';

/** What keepalived says about its instance on this host. */
export type VrrpState = 'MASTER' | 'BACKUP' | 'FAULT' | 'STOP';

const STATES: readonly string[] = ['MASTER', 'BACKUP', 'FAULT', 'STOP'];
const MAX_LINE_BYTES = 4096;

/**
 * The state in a line of keepalived's notify FIFO: `INSTANCE "mfs" MASTER 240`. Undefined: another kind of line, or another instance.
 * With `instance` undefined any instance counts.
 */
export function vrrpState(line: string, instance?: string): VrrpState | undefined {
  const match = /^INSTANCE "([^"]*)" ([A-Z_]+)(?: \d+)?$/.exec(line);
  if (match === null || (instance !== undefined && match[1] !== instance) || !STATES.includes(match[2]))
    return undefined;
  return match[2] as VrrpState;
}

export interface NotifyFifoOptions {
  path: string;
  /** Name of the VRRP instance in keepalived's configuration. */
  instance: string;
  /** Called for the newest of the states that arrived together. */
  state(state: VrrpState): void;
  report(level: 'info' | 'warn' | 'error', text: string): void;
}

export interface NotifyFifo {
  close(): void;
}

/**
 * Listens to keepalived through a FIFO (`vrrp_notify_fifo`), which costs no process per message. Makes the FIFO when it is not there.
 * What keepalived wrote while nobody listened is read too; the last state counts.
 */
export async function openNotifyFifo(options: NotifyFifoOptions): Promise<NotifyFifo> {
  await makeFifo(options.path);
  const descriptor = await openFifo(options);
  const socket = new Socket({ fd: descriptor, readable: true, writable: false });
  let rest = '';
  socket.on('data', (bytes: Buffer) => {
    const lines = (rest + bytes.toString('latin1')).split('\n');
    rest = lines.pop()?.slice(0, MAX_LINE_BYTES) ?? '';
    const newest = lines.map((line) => vrrpState(line, options.instance)).findLast((state) => state !== undefined);
    if (newest !== undefined) options.state(newest);
  });
  socket.on('error', (error) => options.report('error', `${options.path}: ${error.message}`));
  return { close: () => socket.destroy() };
}

/** Open for writing too: the end of keepalived is not the end of the file then. */
async function openFifo({ path, report }: NotifyFifoOptions): Promise<number> {
  const open = () => openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  try {
    return open();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error;
    // keepalived, as root, made it when it was started first; the folder is the node's.
    report(
      'warn',
      `${path} was another user's and is made anew: restart keepalived, so that it writes into the new one`,
    );
    unlinkSync(path);
    await makeFifo(path);
    return open();
  }
}

async function makeFifo(path: string): Promise<void> {
  const there = statSync(path, { throwIfNoEntry: false });
  if (there?.isFIFO()) return;
  if (there !== undefined) unlinkSync(path);
  await new Promise<void>((resolve, reject) =>
    execFile('mkfifo', ['-m', '600', path], (error) => (error === null ? resolve() : reject(error))),
  );
}
