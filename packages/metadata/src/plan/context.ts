/** Who asks: a session and the credentials of one request, already mapped by the session (spec 10, section 2.2). */
export interface RequestContext {
  /** Unix seconds. */
  now: number;
  sessionId: number;
  sesflags: number;
  /** 1 = everything, 0 = meta session, else the inode of the mounted directory. */
  rootInode: number;
  disables: number;
  /** OR-ed with the umask of a request. */
  umask: number;
  mingoal: number;
  maxgoal: number;
  /** Seconds. */
  mintrashtime: number;
  maxtrashtime: number;
  /** Root is mapped to this uid in this session. */
  rootuid: number;
  /** After mapping. */
  uid: number;
  /** After mapping of the first one; never empty. */
  gids: readonly number[];
  /** As sent by the client. */
  originalUid: number;
  originalGid: number;
  /** Version of the client, 0x00MMmmpp form of the protocol. */
  clientVersion: number;
}

/**
 * Result of a `plan*` function: a status (also Status.OK, when there is nothing to change), or the operation to apply. Functions
 * that may need several entries return a list, which is to be applied in order in the same turn.
 */
export type Planned<T> = number | T;
