import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { LockFile } from '@alces/runtime';
import type { DaemonPlace } from './places.ts';

const BIN = join(import.meta.dirname, '..', '..', '..', 'bin');

export interface Outcome {
  status: number;
  output: string;
}

/** Runs one of the programs in `bin/` to its end, in a network namespace if one is given. */
export function runProgram(name: string, args: readonly string[], namespace?: string): Promise<Outcome> {
  const program = join(BIN, name);
  if (namespace === undefined) return runCommand(program, args);
  return runCommand('nsenter', [`--net=/run/netns/${namespace}`, program, ...args]);
}

/** Runs a program to its end. */
export function runCommand(path: string, args: readonly string[]): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(path, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const collect = (bytes: Buffer) => {
      output += bytes.toString();
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.on('error', reject);
    child.on('close', (status) => resolve({ status: status ?? 128, output }));
  });
}

/** The pid of the running daemon, undefined when it does not run. */
export function runningPid(place: DaemonPlace): number | undefined {
  const path = join(place.dataPath, `.${place.program}.lock`);
  if (!existsSync(path)) return undefined;
  const lock = new LockFile(path);
  try {
    return lock.owner();
  } finally {
    lock.close();
  }
}

/** Starts a daemon unless it runs; throws with what it said when it does not come up. */
export async function startDaemon(place: DaemonPlace): Promise<void> {
  if (runningPid(place) !== undefined) return;
  const outcome = await runProgram(place.program, ['-c', place.configFile, 'start'], place.namespace);
  if (outcome.status !== 0) throw new Error(`${place.title} did not start:\n${outcome.output.replace(/^/gm, '  ')}`);
}

/** Stops a daemon in an orderly way; throws with what it said when it does not end. */
export async function stopDaemon(place: DaemonPlace): Promise<void> {
  if (runningPid(place) === undefined) return;
  const outcome = await runProgram(place.program, ['-c', place.configFile, '-t', '60', 'stop'], place.namespace);
  if (outcome.status !== 0) throw new Error(`${place.title} did not stop:\n${outcome.output.replace(/^/gm, '  ')}`);
}

/** Whether something accepts connections there. */
export function isServing(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, timeout: 1000 });
    const answer = (serving: boolean) => {
      socket.destroy();
      resolve(serving);
    };
    socket.on('connect', () => answer(true));
    socket.on('timeout', () => answer(false));
    socket.on('error', () => answer(false));
  });
}

/** Whether a daemon could listen there. */
export function isFree(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.on('error', () => resolve(false));
    server.listen({ host: address, port }, () => server.close(() => resolve(true)));
  });
}
