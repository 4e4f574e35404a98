import { apply, type Operation, type State, TYPE_FILE } from '@alces/metadata';
import { Status } from '@alces/proto';
import type { ChunkLocation } from '../../src/chunks/api.ts';
import type { ChunkMaster } from '../../src/chunks/chunkMaster.ts';

export const clientAddress = 0x0a000201;

/** A chunk operation as a client sees it. */
export interface Outcome {
  /** Undefined while it waits. */
  status: number | undefined;
  chunkId: number;
  version: number;
  servers: readonly ChunkLocation[];
}

/** Files on a chunk side with real metadata: what the client service does, without clients. */
export abstract class FileOperations {
  abstract readonly state: State;
  abstract readonly master: ChunkMaster;
  abstract readonly now: number;
  /** Entries as committed, for the tests to look at. */
  readonly log: Operation[] = [];
  private nextName = 1;

  commit(entry: Operation): void {
    const status = apply(this.state, this.now, entry, 'live');
    if (status !== Status.OK) throw new Error(`${JSON.stringify(entry)}: status ${status}`);
    this.log.push(entry);
  }

  /** Makes an empty file and returns its inode. */
  createFile(storageClass = 2): number {
    const name = Buffer.from(`file${this.nextName++}`);
    const entry = { op: 'CREATE' as const, parent: 1, name, type: TYPE_FILE, mode: 0o644, cumask: 0 };
    const operation = { ...entry, uid: 0, gid: 0, rdev: 0, inode: 0 };
    this.commit(operation);
    if (storageClass !== 2) this.setClass(operation.inode, 2, storageClass);
    return operation.inode;
  }

  setClass(inode: number, from: number, to: number): void {
    const results = { changed: 0, unchanged: 0, denied: 0 };
    this.commit({ op: 'SETSCLASS', inode, uid: 0, srcClass: from, dstClass: to, smode: 0, ...results });
  }

  setGoal(inode: number, goal: number): void {
    this.setClass(inode, 1, goal);
  }

  /** Removes a file at once, without trash. */
  removeFile(inode: number): void {
    const row = this.state.nodes.find(inode);
    const edge = this.state.nodes.firstEdge.get(row);
    const name = Buffer.from(this.state.edges.name(edge));
    const results = { changed: 0, unchanged: 0, denied: 0 };
    this.commit({ op: 'SETTRASHTIME', inode, uid: 0, seconds: 0, smode: 0, ...results });
    this.commit({ op: 'UNLINK', parent: 1, name, inode: 0 });
  }

  chunkOf(inode: number, index = 0): number {
    const row = this.state.nodes.find(inode);
    return index < this.state.nodes.slots.get(row) ? this.state.nodes.chunkAt(row, index) : 0;
  }

  versionOf(chunkId: number): number {
    return this.state.chunks.version.get(this.state.chunks.find(chunkId));
  }

  /** WRITE_CHUNK as the client service does it. */
  grant(inode: number, index = 0, flags: { continueOperation?: boolean } = {}): Outcome {
    const outcome: Outcome = { status: undefined, chunkId: 0, version: 0, servers: [] };
    const attempt = (): number => {
      const previous = this.chunkOf(inode, index);
      const result = this.master.startWrite({
        chunkId: previous,
        storageClass: this.state.nodes.sclass.get(this.state.nodes.find(inode)),
        clientAddress,
        continueOperation: flags.continueOperation ?? false,
        commit: (opflag, chunkid) => this.commit({ op: 'WRITE', inode, index, opflag, chtime: 0, chunkid }),
        done: (status) => {
          if (status !== Status.OK) this.master.rollBack(inode, index, previous, outcome.chunkId);
          this.finish(outcome, status);
        },
      });
      if (result.kind === 'wait') return result.status;
      if (result.kind === 'refused') outcome.status = result.status;
      else outcome.chunkId = result.chunkId;
      if (result.kind === 'ready') this.finish(outcome, Status.OK);
      return 0;
    };
    this.attempt(this.chunkOf(inode, index), outcome, attempt);
    return outcome;
  }

  /** TRUNCATE that cuts into a chunk. */
  truncate(inode: number, index: number, chunkLengthBytes: number): Outcome {
    const outcome: Outcome = { status: undefined, chunkId: 0, version: 0, servers: [] };
    const attempt = (): number => {
      const previous = this.chunkOf(inode, index);
      const result = this.master.startTruncate({
        chunkId: previous,
        chunkLengthBytes,
        commit: (chunkid) => this.commit({ op: 'TRUNC', inode, index, chunkid }),
        done: (status) => {
          if (status === Status.OK) this.master.unlock(outcome.chunkId);
          else this.master.rollBack(inode, index, previous, outcome.chunkId);
          this.finish(outcome, status);
        },
      });
      if (result.kind === 'wait') return result.status;
      if (result.kind === 'refused') outcome.status = result.status;
      else if (result.kind === 'pending') outcome.chunkId = result.chunkId;
      return 0;
    };
    this.attempt(this.chunkOf(inode, index), outcome, attempt);
    return outcome;
  }

  /** READ_CHUNK, parked if it must wait. */
  read(chunkId: number): Outcome {
    const outcome: Outcome = { status: undefined, chunkId, version: 0, servers: [] };
    this.attempt(chunkId, outcome, () => {
      const located = this.master.locate(chunkId, clientAddress);
      if (located.status === Status.LOCKED || located.status === Status.CHUNKBUSY) return located.status;
      Object.assign(outcome, located);
      return 0;
    });
    return outcome;
  }

  private attempt(chunkId: number, outcome: Outcome, run: () => number): void {
    const status = run();
    if (status === 0) return;
    this.master.park(chunkId, status, {
      owner: outcome,
      run,
      expire: (late) => {
        outcome.status = late;
      },
    });
  }

  private finish(outcome: Outcome, status: number): void {
    outcome.status = status;
    if (status !== Status.OK) return;
    const located = this.master.locations(outcome.chunkId, clientAddress);
    outcome.version = located.version;
    outcome.servers = located.servers;
  }
}
