import { closeSync, fstatSync, lstatSync, openSync, readdirSync, readFileSync, readlinkSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { type FileModel, fileContent, Model, type Operation, RECORD_BYTES } from './model.ts';

/** One operation of a worker as its log has it; `ended` is undefined for one that was never answered. */
export interface LoggedOperation {
  /** Wall clock, milliseconds. */
  started: number;
  ended: number | undefined;
  operation: Operation;
  errors: string[];
}

export function readLog(path: string): LoggedOperation[] {
  return parseLog(readFileSync(path, 'utf8'));
}

const TAIL_BYTES = 4096;

/** When the newest operation that was answered was asked for; undefined: there is none. Looks at the end of the log only. */
export function newestAnswered(path: string): number | undefined {
  const descriptor = openSync(path, 'r');
  try {
    const lengthBytes = fstatSync(descriptor).size;
    const tail = Buffer.alloc(Math.min(TAIL_BYTES, lengthBytes));
    const read = readSync(descriptor, tail, 0, tail.length, lengthBytes - tail.length);
    const text = tail.toString('utf8', 0, read);
    // The first line may have lost its beginning.
    const whole = lengthBytes > TAIL_BYTES ? text.slice(text.indexOf('\n') + 1) : text;
    return parseLog(whole).findLast(({ ended }) => ended !== undefined)?.started;
  } finally {
    closeSync(descriptor);
  }
}

function parseLog(text: string): LoggedOperation[] {
  const operations: LoggedOperation[] = [];
  for (const line of text.split('\n').filter(Boolean)) {
    const record: { started?: number; ended?: number; operation?: Operation; errors?: string[] } = JSON.parse(line);
    const last = operations.at(-1);
    if (record.operation !== undefined && record.started !== undefined)
      operations.push({ started: record.started, ended: undefined, operation: record.operation, errors: [] });
    else if (last !== undefined) Object.assign(last, { ended: record.ended, errors: record.errors ?? [] });
  }
  return operations;
}

/** What the worker's folder must look like. */
export function expectedModel(operations: readonly LoggedOperation[]): Model {
  const model = new Model();
  for (const { operation, ended } of operations) if (ended !== undefined) model.apply(operation);
  return model;
}

function differenceOfContent(found: Buffer, file: FileModel): string | undefined {
  const expected = fileContent(file);
  if (found.length !== expected.length) return `${found.length} bytes instead of ${expected.length}`;
  for (let record = 0; record < file.records.length; record++) {
    const from = record * RECORD_BYTES;
    const here = found.subarray(from, from + RECORD_BYTES);
    if (!here.equals(expected.subarray(from, from + RECORD_BYTES)))
      return `record ${record} begins with ${here.subarray(0, 8).toString('hex')}, version ${file.records[record]} of file ${file.id} expected`;
  }
  return undefined;
}

/** Compares a worker's folder with what its log says was acknowledged; answers every difference in words. */
export function findings(folder: string, logPath: string): string[] {
  const operations = readLog(logPath);
  const found = operations
    .filter(({ ended }) => ended === undefined)
    .map(({ operation }) => `never answered: ${JSON.stringify(operation)}`);
  const { things } = expectedModel(operations);
  const names = new Set(readdirSync(folder));
  for (const name of names) if (!things.has(name)) found.push(`${name} is there and should not be`);
  for (const [name, thing] of things) {
    if (!names.has(name)) {
      found.push(`${name} (${thing.kind}) is lost`);
      continue;
    }
    const path = join(folder, name);
    const stat = lstatSync(path);
    if (thing.kind === 'folder' && !stat.isDirectory()) found.push(`${name} is no folder`);
    if (thing.kind === 'symlink' && readlinkSync(path) !== thing.target) found.push(`${name} points elsewhere`);
    if (thing.kind !== 'file') continue;
    if (stat.nlink !== thing.links) found.push(`${name} has ${stat.nlink} links instead of ${thing.links}`);
    if ((stat.mode & 0o7777) !== thing.mode) found.push(`${name} has mode ${(stat.mode & 0o7777).toString(8)}`);
    const difference = differenceOfContent(readFileSync(path), thing);
    if (difference !== undefined) found.push(`${name}: ${difference}`);
  }
  return found;
}

/**
 * How long a worker was held up from `fromMs` on: the longest time between an answer and the next within `windowMs`, or from `fromMs` to the
 * first answer.
 */
export function pauseMs(operations: readonly LoggedOperation[], fromMs: number, windowMs: number): number {
  let previous = fromMs;
  let longest = 0;
  for (const { started, ended } of operations) {
    if (ended === undefined || ended < fromMs) continue;
    if (started > fromMs + windowMs) break;
    longest = Math.max(longest, ended - Math.max(previous, started));
    previous = ended;
  }
  return longest;
}
