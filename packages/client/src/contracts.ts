import type { Attr, Message } from '@alces/proto';
import type { Caller, OpenFileInfo, SessionListener, SessionParameters, SessionState } from './types.ts';

/** Anything over which requests to a master can be made: a mount's session, or a tool's connection to a mount's proxy. */
export interface MasterLink {
  /**
   * Sends `fields` as `request` and resolves with the `layout` of the decoded `reply`. `msgid` is filled in here. Requests of one
   * event-loop turn go out in one write, answers may come in any order.
   * Throws `MfsError`: the master's status, or EIO when no usable answer came within the configured tries (spec 00 §6.5).
   */
  request<Q, R, L extends string = 'data'>(
    request: Message<Q>,
    reply: Message<R>,
    fields: WithoutId<Q>,
    layout?: L,
  ): Promise<Answer<R, L>>;
}

/** The fields of a request without its msgid. */
export type WithoutId<Q> = Q extends unknown ? Omit<Q, 'msgid'> & { msgid?: number } : never;

/** The fields of that layout of a reply; a reply with one layout has no names. */
export type Answer<R, L extends string> = R extends { layout: string } ? Extract<R, { layout: L }> : R;

/** A registered session with the master, kept over broken connections and restarts of the master (spec 00 §4, §6). */
export interface MasterSession extends MasterLink {
  readonly state: SessionState;
  readonly connected: boolean;
  readonly parameters: SessionParameters;
  /** Address of the master connected to last. */
  readonly masterAddress: { readonly host: string; readonly port: number };
  /** Microseconds since the epoch by the master's clock (TIME_SYNC). */
  masterTimeMicroseconds(): number;

  /** Registers for what the master says unasked; returns the function that ends it. */
  listen(listener: SessionListener): () => void;

  /**
   * The inode is in use: it is reported in SUSTAINED_INODES, so that the master keeps it open for the session. Counted;
   * call before OPEN, and after CREATE has answered. A released inode is reported for 10 more minutes.
   */
  acquireInode(inode: number): void;
  releaseInode(inode: number): void;
  /** The inodes of working directories and the like, replaced as a whole (spec 00 §6.8). */
  setBackgroundInodes(inodes: readonly number[]): void;
  isAcquired(inode: number): boolean;

  /** Notes that data of the inode were read or written now; reported by AMTIME_INODES. */
  noteRead(inode: number): void;
  noteWrite(inode: number): void;
  /** Times noted and not yet reported, in unix seconds, 0 none. A SETATTR with explicit times forgets them. */
  pendingTimes(inode: number): { readonly atime: number; readonly mtime: number };
  forgetTimes(inode: number, atime: boolean, mtime: boolean): void;

  /**
   * Forwards a tool's request (payload begins with the tool's msgid) and resolves with type and payload of the answer, whatever they
   * are, with the tool's msgid put back (spec 00 §7.3).
   */
  forward(type: number, payload: Buffer): Promise<{ type: number; payload: Buffer }>;

  /** Reports times and open files a last time, sends CLOSESESSION and closes the connection (spec 00 §6.9). */
  close(): Promise<void>;
}

/** Reads and writes the data of files: one per session (spec 20 §6). */
export interface DataEngine {
  /** Begins to use a file. Handles of one inode share dirty data, length and chunk locations. */
  open(file: OpenFileInfo): FileIo;
  /**
   * The length to show for an inode of which the master just said `masterLength`: at least the end of unflushed writes.
   * Also makes the length known to open handles; call it for every attribute record received.
   */
  noteLength(inode: number, masterLength: number): number;
  /** Flushes what all handles of the inode wrote. Errors are those of the writes. Nothing to do: resolves at once. */
  flushInode(inode: number): Promise<void>;
  /**
   * Flushes, sets the length through TRUNCATE, and drops what was cached beyond. `opened`: through a handle opened for
   * writing (no permission test). Resolves with the master's answer.
   */
  truncate(inode: number, length: number, caller: Caller, opened: boolean): Promise<TruncateResult>;
  /** Waits for all dirty data and closes all connections to chunkservers. */
  close(): Promise<void>;
}

export interface TruncateResult {
  readonly previousLength: number;
  readonly attr: Attr;
}

export interface WriteOptions {
  /** The bytes stay unchanged until acknowledged, so the engine may refer to them; otherwise it copies. */
  readonly transfer?: boolean;
  /** Written by uid 0: may use reserved space (CANUSERESERVESPACE). */
  readonly asRoot?: boolean;
}

/** An open file. Errors are `MfsError`; after a failed write every later write, flush and close of the handle fails alike. */
export interface FileIo {
  readonly inode: number;
  /** Known length: the master's, or the end of unflushed writes if greater. */
  readonly length: number;
  /**
   * The bytes from `offset`, at most `length` of them, fewer only at the end of the file: views of what was received, in order. Whoever got
   * them must not change them. Sees all writes that were accepted before.
   */
  read(offset: number, length: number): Promise<Buffer[]>;
  /** Accepts bytes to be written behind the caller's back; waits only while the write cache is full. */
  write(offset: number, data: readonly Buffer[], options?: WriteOptions): Promise<void>;
  /** Reserves room at the end of the file among all clients and writes there; resolves with the offset (spec 20 §6.10). */
  append(data: readonly Buffer[], options?: WriteOptions): Promise<number>;
  /** Waits until everything written before is on all copies and the master knows the length. Throws the first error of the handle's writes. */
  flush(): Promise<void>;
  /** Flushes and gives the handle back. The error of an earlier write is thrown again, the handle is closed nevertheless. */
  close(): Promise<void>;
}
