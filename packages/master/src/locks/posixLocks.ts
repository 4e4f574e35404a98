import type { LockRange, PosixOwner } from '@alces/metadata';
import { PosixLockCommand, PosixLockType, Status } from '@alces/proto';
import { type LockHost, WaitingCounts } from './lockHost.ts';

export interface PosixLockRequest {
  readonly sessionId: number;
  readonly msgid: number;
  readonly inode: number;
  readonly reqid: number;
  readonly owner: bigint;
  readonly pid: number;
  /** `PosixLockType`. */
  readonly type: number;
  readonly start: bigint;
  /** Exclusive; 2^64-1 = to the end of the file. */
  readonly end: bigint;
}

/** The lock that stands in the way, as GET tells it. */
export interface FoundLock {
  readonly pid: number;
  readonly type: number;
  readonly start: bigint;
  readonly end: bigint;
}

export const NO_LOCK: FoundLock = { pid: 0, type: PosixLockType.UNLCK, start: 0n, end: 0n };

export const END_OF_FILE = 0xffffffffffffffffn;

const LETTERS = { [PosixLockType.UNLCK]: 'U', [PosixLockType.RDLCK]: 'R', [PosixLockType.WRLCK]: 'W' } as const;

/** POSIX byte-range locks (spec 10 §8.2): granted ones are metadata, the queues of those who wait live here. */
export class PosixLocks {
  readonly #host: LockHost;
  readonly #queues = new Map<number, PosixLockRequest[]>();
  readonly #counts = new WaitingCounts();

  constructor(host: LockHost) {
    this.#host = host;
  }

  /** SET or TRY. Returns the status, or WAITING: the answer comes later through the host. */
  change(request: PosixLockRequest, cmd: number, now: number): number {
    const { inode, sessionId, type, start, end } = request;
    if (type > PosixLockType.WRLCK || start >= end) return Status.EINVAL;
    const unlock = type === PosixLockType.UNLCK;
    if (!unlock && !this.#host.state.openFiles.has(sessionId, inode)) return Status.NOTOPENED;
    if (!unlock && this.#conflict(request)) {
      if (cmd === PosixLockCommand.TRY) return Status.EAGAIN;
      if (this.#waitsAlready(request)) return Status.WAITING;
      if (this.#counts.isFull(sessionId)) return Status.EAGAIN;
      this.#enqueue(request);
      return Status.WAITING;
    }
    this.#grant(request, now);
    this.#examine(inode, now);
    return Status.OK;
  }

  /** The first lock that conflicts with the request, NO_LOCK when there is none. */
  test(request: PosixLockRequest): FoundLock {
    if (request.type === PosixLockType.UNLCK) return NO_LOCK;
    const conflict = this.#conflict(request);
    if (!conflict) return NO_LOCK;
    const { holder, range } = conflict;
    return {
      pid: holder.session === request.sessionId ? holder.pid : 0,
      type: range.write ? PosixLockType.WRLCK : PosixLockType.RDLCK,
      start: range.start,
      end: range.end,
    };
  }

  /** The client gives up waiting: the request is answered EINTR. */
  interrupt(sessionId: number, inode: number, reqid: number): void {
    const found = this.#queue(inode).find((waiting) => waiting.sessionId === sessionId && waiting.reqid === reqid);
    if (!found) return;
    this.#host.answer(sessionId, found.msgid, Status.EINTR);
    this.#dequeue(found);
  }

  /** The session has closed the inode: its waiting requests vanish unanswered, its locks are released (spec 10 §8.3). */
  release(sessionId: number, inode: number, now: number): void {
    for (const waiting of this.#queue(inode).filter((other) => other.sessionId === sessionId)) this.#dequeue(waiting);
    const own = this.#holders(inode).filter(({ session }) => session === sessionId);
    if (own.length === 0) return;
    // The stock master drops them silently and can't replay the grants that follow (spec 51 §7.4).
    for (const { owner, pid } of [...own])
      this.#host.commit(
        { op: 'POSIXLOCK', inode, sessionid: sessionId, owner, c: 'U', start: 0n, end: END_OF_FILE, pid },
        now,
      );
    this.#examine(inode, now);
  }

  /** Inodes on which the session waits for a lock. */
  waitingInodes(sessionId: number): number[] {
    return [...this.#queues]
      .filter(([, queue]) => queue.some((waiting) => waiting.sessionId === sessionId))
      .map(([inode]) => inode);
  }

  #queue(inode: number): readonly PosixLockRequest[] {
    return this.#queues.get(inode) ?? [];
  }

  #holders(inode: number): readonly PosixOwner[] {
    return this.#host.state.posixLocks.get(inode) ?? [];
  }

  #conflict(request: PosixLockRequest): { holder: PosixOwner; range: LockRange } | undefined {
    const write = request.type === PosixLockType.WRLCK;
    for (const holder of this.#holders(request.inode)) {
      if (holder.session === request.sessionId && holder.owner === request.owner) continue;
      for (const range of holder.ranges)
        if (range.start < request.end && request.start < range.end && (write || range.write)) return { holder, range };
    }
    return undefined;
  }

  #grant({ inode, sessionId, owner, type, start, end, pid }: PosixLockRequest, now: number): void {
    if (type === PosixLockType.UNLCK && this.#holders(inode).length === 0) return;
    const c = LETTERS[type as keyof typeof LETTERS];
    this.#host.commit({ op: 'POSIXLOCK', inode, sessionid: sessionId, owner, c, start, end, pid }, now);
  }

  /** Grants the waiting requests that nothing stands against any more, in their order. */
  #examine(inode: number, now: number): void {
    for (;;) {
      const next = this.#queue(inode).find((waiting) => !this.#conflict(waiting));
      if (!next) return;
      this.#grant(next, now);
      this.#host.answer(next.sessionId, next.msgid, Status.OK);
      this.#dequeue(next);
    }
  }

  /** A request repeated after a broken connection takes the place of the one before. */
  #waitsAlready(request: PosixLockRequest): boolean {
    const queue = this.#queues.get(request.inode) ?? [];
    const { sessionId, reqid, owner, msgid } = request;
    const place = queue.findIndex(
      (waiting) =>
        waiting.sessionId === sessionId &&
        waiting.reqid === reqid &&
        waiting.owner === owner &&
        waiting.msgid === msgid,
    );
    if (place >= 0) queue[place] = request;
    return place >= 0;
  }

  #enqueue(request: PosixLockRequest): void {
    this.#counts.add(request.sessionId, 1);
    const queue = this.#queues.get(request.inode);
    if (queue) queue.push(request);
    else this.#queues.set(request.inode, [request]);
  }

  #dequeue(request: PosixLockRequest): void {
    this.#counts.add(request.sessionId, -1);
    const queue = this.#queue(request.inode).filter((other) => other !== request);
    if (queue.length === 0) this.#queues.delete(request.inode);
    else this.#queues.set(request.inode, queue);
  }
}
