// One worker of the load: load.ts FOLDER LOG STOP_FILE SEED THINK_MS [resolve]
// Changes things in FOLDER one after the other until STOP_FILE is there, and writes what it asked for and when it was answered into LOG,
// a line each. With `resolve`, an operation that fails is looked into (was it carried out?) and repeated if need be; without, it is a finding.
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { SeededRandom } from '@alces/sim';
import { Chooser } from './choose.ts';
import { Model, type Operation, RECORD_BYTES, recordContent } from './model.ts';

const [folder, logPath, stopFile, seed, thinkMs, resolves] = process.argv.slice(2);
const model = new Model();
const chooser = new Chooser(new SeededRandom(Number(seed)), model);
const log = openSync(logPath, 'a');
const nap = new Int32Array(new SharedArrayBuffer(4));
const sleep = (ms: number) => Atomics.wait(nap, 0, 0, ms);
const now = () => Number((performance.timeOrigin + performance.now()).toFixed(1));
const at = (name: string) => join(folder, name);

function write(operation: Extract<Operation, { op: 'write' }>): void {
  const { name, record, version } = operation;
  const descriptor = openSync(at(name), 'r+');
  try {
    writeSync(descriptor, recordContent(model.file(name).id, record, version), 0, RECORD_BYTES, record * RECORD_BYTES);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function perform(operation: Operation): void {
  const path = at(operation.name);
  switch (operation.op) {
    case 'create':
      return closeSync(openSync(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o644));
    case 'mkdir':
      return mkdirSync(path);
    case 'unlink':
      return unlinkSync(path);
    case 'rmdir':
      return rmdirSync(path);
    case 'symlink':
      return symlinkSync(operation.target, path);
    case 'rename':
      return renameSync(path, at(operation.to));
    case 'link':
      return linkSync(path, at(operation.to));
    case 'write':
      return write(operation);
    case 'truncate':
      return truncateSync(path, operation.records * RECORD_BYTES);
    case 'chmod':
      return chmodSync(path, operation.mode);
  }
}

const inodeOf = (name: string) => lstatSync(at(name), { throwIfNoEntry: false })?.ino;

/** Whether a failed operation was carried out all the same. Content and modes can simply be set once more. */
function carriedOut(operation: Operation): boolean {
  switch (operation.op) {
    case 'create':
    case 'mkdir':
    case 'symlink':
      return inodeOf(operation.name) !== undefined;
    case 'unlink':
    case 'rmdir':
    case 'rename':
      return inodeOf(operation.name) === undefined;
    case 'link':
      return inodeOf(operation.to) !== undefined;
    default:
      return false;
  }
}

function untilDone(operation: Operation): string[] {
  const errors: string[] = [];
  for (;;) {
    try {
      perform(operation);
      return errors;
    } catch (error) {
      errors.push(error instanceof Error && 'code' in error ? String(error.code) : String(error));
      if (resolves === undefined) return errors;
    }
    for (;;) {
      try {
        if (carriedOut(operation)) return errors;
        break;
      } catch {
        sleep(50);
      }
    }
  }
}

while (!existsSync(stopFile)) {
  const operation = chooser.next();
  const started = now();
  writeSync(log, `${JSON.stringify({ started, operation })}\n`);
  const errors = untilDone(operation);
  writeSync(log, `${JSON.stringify({ ended: now(), ...(errors.length > 0 && { errors }) })}\n`);
  if (errors.length > 0 && resolves === undefined) process.exit(1);
  model.apply(operation);
  sleep(Number(thinkMs));
}
