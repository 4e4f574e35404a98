import type { FlockLock } from '@alces/metadata';
import { FlockCommand, Status } from '@alces/proto';
import { type LockHost, WaitingCounts } from './lockHost.ts';

export interface FlockRequest {
  readonly sessionId: number;
  readonly msgid: number;
  readonly inode: number;
  readonly reqid: number;
  readonly owner: bigint;
  /** `FlockCommand`. */
  readonly cmd: number;
}

/** A lock that somebody waits for. Repeated requests of one owner share an entry. */
interface Waiting {
  readonly session: number;
  readonly owner: bigint;
  exclusive: boolean;
  /** Newest first; never empty. */
  requests: { readonly msgid: number; readonly reqid: number }[];
}

const isShared = (cmd: number) => cmd === FlockCommand.TRY_SHARED || cmd === FlockCommand.LOCK_SHARED;
const isTry = (cmd: number) => cmd === FlockCommand.TRY_SHARED || cmd === FlockCommand.TRY_EXCLUSIVE;
const isUnlock = (cmd: number) => cmd === FlockCommand.UNLOCK || cmd === FlockCommand.RELEASE;

/** BSD locks (spec 10 §8.1): granted ones are metadata, the queues of those who wait live here. */
export class Flocks {
  readonly #host: LockHost;
  readonly #queues = new Map<number, Waiting[]>();
  readonly #counts = new WaitingCounts();

  constructor(host: LockHost) {
    this.#host = host;
  }

  /** Works off a request. Returns its status, or WAITING: the answer comes later through the host. */
  request(request: FlockRequest, now: number): number {
    const { cmd, inode, sessionId } = request;
    if (cmd > FlockCommand.RELEASE) return Status.EINVAL;
    const mayBeClosed = cmd === FlockCommand.INTERRUPT || cmd === FlockCommand.RELEASE;
    if (!mayBeClosed && !this.#host.state.openFiles.has(sessionId, inode)) return Status.NOTOPENED;
    if (cmd === FlockCommand.INTERRUPT) return this.#interrupt(request);
    const held = this.#held(inode, sessionId, request.owner);
    if (held) return this.#again(request, held, now);
    const waiting = this.#queue(inode).find(({ session, owner }) => session === sessionId && owner === request.owner);
    if (waiting) return this.#whileWaiting(request, waiting);
    return isUnlock(cmd) ? Status.OK : this.#acquire(request, now);
  }

  /** The session has closed the inode: its waiting requests vanish unanswered, its locks are released (spec 10 §8.3). */
  release(sessionId: number, inode: number, now: number): void {
    const own = this.#queue(inode).filter(({ session }) => session === sessionId);
    for (const waiting of own) this.#dequeue(inode, waiting);
    const held = (this.#host.state.flocks.get(inode) ?? []).filter(({ session }) => session === sessionId);
    if (held.length === 0) return;
    for (const { owner } of held) this.#log(inode, sessionId, owner, 'U', now);
    this.#examine(inode, now);
  }

  /** Inodes on which the session waits for a lock. */
  waitingInodes(sessionId: number): number[] {
    return [...this.#queues]
      .filter(([, queue]) => queue.some(({ session }) => session === sessionId))
      .map(([inode]) => inode);
  }

  #queue(inode: number): readonly Waiting[] {
    return this.#queues.get(inode) ?? [];
  }

  #active(inode: number): readonly FlockLock[] {
    return this.#host.state.flocks.get(inode) ?? [];
  }

  #held(inode: number, sessionId: number, owner: bigint): FlockLock | undefined {
    return this.#active(inode).find((lock) => lock.session === sessionId && lock.owner === owner);
  }

  #log(inode: number, sessionid: number, owner: bigint, c: 'R' | 'W' | 'U', now: number): void {
    this.#host.commit({ op: 'FLOCK', inode, sessionid, owner, c }, now);
  }

  #interrupt({ inode, sessionId, owner, reqid }: FlockRequest): number {
    for (const waiting of [...this.#queue(inode)]) {
      if (waiting.session !== sessionId || waiting.owner !== owner) continue;
      for (const request of waiting.requests.filter((candidate) => candidate.reqid === reqid))
        this.#host.answer(sessionId, request.msgid, Status.EINTR);
      this.#keepRequests(inode, waiting, (request) => request.reqid !== reqid);
    }
    return Status.OK;
  }

  /** A request by an owner who has the lock. */
  #again(request: FlockRequest, held: FlockLock, now: number): number {
    const { cmd, inode, sessionId, owner } = request;
    if (isUnlock(cmd)) {
      this.#log(inode, sessionId, owner, 'U', now);
      this.#examine(inode, now);
      return Status.OK;
    }
    if (isShared(cmd) !== held.exclusive) return Status.OK;
    if (cmd === FlockCommand.TRY_EXCLUSIVE && this.#active(inode).length > 1) return Status.EAGAIN;
    // The stock master does not log a conversion in place and then can't replay what follows; release and lock can be replayed.
    this.#log(inode, sessionId, owner, 'U', now);
    if (isTry(cmd)) {
      this.#log(inode, sessionId, owner, isShared(cmd) ? 'R' : 'W', now);
      this.#examine(inode, now);
      return Status.OK;
    }
    this.#examine(inode, now);
    return this.#acquire(request, now);
  }

  /** A request by an owner who is in the queue. */
  #whileWaiting(request: FlockRequest, waiting: Waiting): number {
    const { cmd, inode, sessionId, msgid, reqid } = request;
    if (isTry(cmd)) return Status.EAGAIN;
    if (isUnlock(cmd)) {
      for (const earlier of waiting.requests) this.#host.answer(sessionId, earlier.msgid, Status.ECANCELED);
      this.#dequeue(inode, waiting);
      return Status.OK;
    }
    const exclusive = !isShared(cmd);
    if (waiting.exclusive !== exclusive) {
      for (const earlier of waiting.requests) this.#host.answer(sessionId, earlier.msgid, Status.ECANCELED);
      this.#setRequests(waiting, [{ msgid, reqid }]);
      waiting.exclusive = exclusive;
      return Status.WAITING;
    }
    const known = waiting.requests.some((earlier) => earlier.reqid === reqid);
    if (!known && this.#counts.isFull(sessionId)) return Status.EAGAIN;
    const others = waiting.requests.filter((earlier) => earlier.reqid !== reqid);
    this.#setRequests(waiting, [{ msgid, reqid }, ...others]);
    return Status.WAITING;
  }

  #acquire(request: FlockRequest, now: number): number {
    const { cmd, inode, sessionId, owner, msgid, reqid } = request;
    const exclusive = !isShared(cmd);
    const active = this.#active(inode);
    // A reader also waits for whoever waits already, so that a writer gets its turn.
    const conflict = exclusive
      ? active.length > 0
      : active.some((lock) => lock.exclusive) || this.#queue(inode).length > 0;
    if (!conflict) {
      this.#log(inode, sessionId, owner, exclusive ? 'W' : 'R', now);
      return Status.OK;
    }
    if (isTry(cmd) || this.#counts.isFull(sessionId)) return Status.EAGAIN;
    const waiting: Waiting = { session: sessionId, owner, exclusive, requests: [] };
    this.#setRequests(waiting, [{ msgid, reqid }]);
    const queue = this.#queues.get(inode);
    if (queue) queue.push(waiting);
    else this.#queues.set(inode, [waiting]);
    return Status.WAITING;
  }

  /** Grants what can be granted from the head of the queue. */
  #examine(inode: number, now: number): void {
    for (let head = this.#queue(inode)[0]; head; head = this.#queue(inode)[0]) {
      const active = this.#active(inode);
      if (active.some((lock) => lock.exclusive) || (head.exclusive && active.length > 0)) return;
      this.#log(inode, head.session, head.owner, head.exclusive ? 'W' : 'R', now);
      for (const { msgid } of head.requests) this.#host.answer(head.session, msgid, Status.OK);
      this.#dequeue(inode, head);
    }
  }

  #setRequests(waiting: Waiting, requests: Waiting['requests']): void {
    for (const _ of waiting.requests) this.#counts.add(waiting.session, -1);
    for (const _ of requests) this.#counts.add(waiting.session, 1);
    waiting.requests = requests;
  }

  #keepRequests(inode: number, waiting: Waiting, keep: (request: Waiting['requests'][number]) => boolean): void {
    const left = waiting.requests.filter(keep);
    if (left.length === 0) this.#dequeue(inode, waiting);
    else this.#setRequests(waiting, left);
  }

  #dequeue(inode: number, waiting: Waiting): void {
    this.#setRequests(waiting, []);
    const queue = this.#queue(inode).filter((other) => other !== waiting);
    if (queue.length === 0) this.#queues.delete(inode);
    else this.#queues.set(inode, queue);
  }
}
