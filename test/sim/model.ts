/**
 * The state machine of the simulated cluster: lists of operations under keys. Small, but it has what the file system's has: it is changed by
 * entries only, the leader applies before it appends, images of it are kept on disk, and it remembers answers for repeated requests.
 */
import { decodeNote, encodeNote, RequestLedger, type RequestNote } from '@alces/journal';
import type { Entry } from '@alces/replication';

/** An operation as an entry's text. */
export interface Operation {
  key: string;
  id: string;
}

export interface Snapshot {
  version: number;
  hash: number;
  history: string[];
  ledger: string;
}

/** FNV-1a over text, continuing from a value. */
function mix(hash: number, text: string): number {
  let value = hash;
  for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193) >>> 0;
  return value;
}

/** A state at a version. */
export class Model {
  version = 0;
  /** Of everything that was applied, in order. */
  hash = 0x811c9dc5;
  readonly lists = new Map<string, string[]>();
  /** The text of each entry, from version 1 on. */
  history: string[] = [];
  readonly ledger = new RequestLedger();

  /** What the entry of an operation is, for the version that comes next. */
  plan(operation: Operation, note: Omit<RequestNote, 'answer'>): Entry {
    const version = this.version + 1;
    const answer = Buffer.from(String(version));
    return { version, data: Buffer.from(JSON.stringify(operation)), note: encodeNote({ ...note, answer }) };
  }

  apply(entry: Entry): void {
    if (entry.version !== this.version + 1) throw new Error(`entry ${entry.version} behind ${this.version}`);
    const text = entry.data.toString();
    this.#perform(text);
    if (entry.note !== undefined) this.ledger.record(decodeNote(entry.note));
    this.version = entry.version;
    this.hash = mix(this.hash, text);
  }

  #perform(text: string): void {
    const { key, id } = JSON.parse(text) as Operation;
    const list = this.lists.get(key);
    if (list === undefined) this.lists.set(key, [id]);
    else list.push(id);
    this.history.push(text);
  }

  save(): Buffer {
    const { version, hash, history } = this;
    const snapshot: Snapshot = {
      version,
      hash,
      history,
      ledger: this.ledger.encode().toString('base64'),
    };
    return Buffer.from(JSON.stringify(snapshot));
  }

  load(bytes: Buffer): void {
    const snapshot = JSON.parse(bytes.toString()) as Snapshot;
    this.version = snapshot.version;
    this.hash = snapshot.hash;
    this.lists.clear();
    this.history = [];
    for (const text of snapshot.history) this.#perform(text);
    this.ledger.load(Buffer.from(snapshot.ledger, 'base64'));
  }

  clear(): void {
    this.version = 0;
    this.hash = 0x811c9dc5;
    this.lists.clear();
    this.history = [];
    this.ledger.load(Buffer.alloc(0));
  }
}
