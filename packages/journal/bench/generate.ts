/** Makes metadata of a given size: an image, and change logs as a busy master would write them. */
import { closeSync, openSync, writeSync } from 'node:fs';
import {
  apply,
  createState,
  imageChunks,
  initializeNewFilesystem,
  LineWriter,
  type Operation,
  type State,
  writeChangelogLine,
} from '@alces/metadata';

const START = 1_795_211_195;
const FILES_PER_DIRECTORY = 1000;
const FLUSH_BYTES = 1 << 20;

/** Applies operations to a state and, if a file is given, logs them. */
export class Recorder {
  readonly state: State;
  readonly #writer = new LineWriter();
  readonly #file: number | undefined;
  lines = 0;

  constructor(state: State, changelogPath?: string) {
    this.state = state;
    this.#file = changelogPath === undefined ? undefined : openSync(changelogPath, 'w');
  }

  perform(operation: Operation): void {
    const version = this.state.metaversion;
    const timestamp = START + Math.floor(this.lines / 10_000);
    const status = apply(this.state, timestamp, operation, 'live');
    if (status !== 0) throw new Error(`${operation.op} gave status ${status}`);
    this.lines++;
    if (this.#file === undefined) return;
    writeChangelogLine(this.#writer, version, { timestamp, operation });
    if (this.#writer.length > FLUSH_BYTES) this.#flush();
  }

  #flush(): void {
    if (this.#file !== undefined) writeSync(this.#file, this.#writer.bytes, 0, this.#writer.length);
    this.#writer.length = 0;
  }

  close(): void {
    this.#flush();
    if (this.#file !== undefined) closeSync(this.#file);
  }
}

export function emptyState(): State {
  const state = createState();
  initializeNewFilesystem(state, START);
  state.metaid = 0x6b00_bfbb_9d61_89d0n;
  return state;
}

function create(recorder: Recorder, parent: number, name: string, type: number): number {
  const operation: Operation = {
    op: 'CREATE',
    parent,
    name: Buffer.from(name),
    type,
    mode: 0o666,
    cumask: 0o22,
    uid: 1000,
    gid: 1000,
    rdev: 0,
    inode: 0,
  };
  recorder.perform(operation);
  return operation.inode;
}

/** Creates files with one chunk each, 1000 in a directory. `full`: also the lines around a write. */
export function createFiles(recorder: Recorder, prefix: string, count: number, full: boolean): void {
  let directory = 1;
  for (let i = 0; i < count; i++) {
    if (i % FILES_PER_DIRECTORY === 0) directory = create(recorder, 1, `${prefix}${i}`, 2);
    const inode = create(recorder, directory, `file-${i}.dat`, 1);
    const write: Operation = { op: 'WRITE', inode, index: 0, opflag: 1, chtime: 1, chunkid: 0 };
    recorder.perform(write);
    if (!full) continue;
    recorder.perform({ op: 'LENGTH', inode, length: 65536 + i, chtime: 0 });
    recorder.perform({ op: 'UNLOCK', chunkid: write.chunkid });
    recorder.perform({ op: 'AMTIME', inode, atime: START, mtime: START, ctime: START + 1 });
  }
}

export function writeImage(state: State, path: string): void {
  const file = openSync(path, 'w');
  for (const { position, data } of imageChunks(state, { now: START + 1_000_000 })) {
    writeSync(file, data, 0, data.length, position);
  }
  closeSync(file);
}
