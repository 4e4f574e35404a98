import { SessionFlag, Status } from '@alces/proto';
import type { State } from '../state.ts';
import { isDetachedType, ROOT_INODE, TYPE_DIRECTORY } from '../tables/constants.ts';
import type { Session } from '../tables/sessions.ts';
import { parentOf } from '../tree/names.ts';
import { type Credentials, mayAccess } from '../tree/permissions.ts';

/** Who asks: a session and the credentials of one request, already mapped by the session (spec 10, section 2.2). */
export interface RequestContext extends Credentials {
  /** Unix seconds. */
  now: number;
  session: Session;
  /** After mapping. */
  uid: number;
  /** After mapping of the first one; never empty. */
  gids: readonly number[];
  /** As sent by the client. */
  originalUid: number;
  originalGid: number;
  /** Version of the client as in its registration. */
  clientVersion: number;
}

/**
 * Result of a `plan*` function: a status (Status.OK when there is nothing to change), or what is to be applied in this turn.
 */
export type Planned<T> = number | T;

/** The caller of a request in a session. `gids` as sent, not empty. */
export function requestContext(
  session: Session,
  now: number,
  clientVersion: number,
  sentUid: number,
  sentGids: readonly number[],
): RequestContext {
  const gids = sentGids.length === 0 ? [0] : sentGids;
  const context: RequestContext = {
    now,
    session,
    uid: sentUid,
    gids,
    ignoreGid: (session.sesflags & SessionFlag.IGNOREGID) !== 0,
    originalUid: sentUid,
    originalGid: gids[0],
    clientVersion,
  };
  if (sentUid === 0) {
    context.uid = session.rootuid;
    context.gids = [session.rootgid, ...gids.slice(1)];
  } else if (session.sesflags & SessionFlag.MAPALL) {
    context.uid = session.mapalluid;
    context.gids = [session.mapallgid, ...gids.slice(1)];
  }
  return context;
}

/** Whether the exports forbid an operation (a `Disable` bit) to the session. */
export function isDisabled(context: RequestContext, operation: number): boolean {
  return (context.session.disables & operation) !== 0;
}

export function isReadOnly(context: RequestContext): boolean {
  return (context.session.sesflags & SessionFlag.READONLY) !== 0;
}

export function isAdmin(context: RequestContext): boolean {
  return (context.session.sesflags & SessionFlag.ADMIN) !== 0;
}

/** The first checks of most changing requests: EPERM if disabled, EROFS in a read-only session. */
export function checkSession(context: RequestContext, operation: number): number {
  if (isDisabled(context, operation)) {
    return Status.EPERM;
  }
  return isReadOnly(context) ? Status.EROFS : Status.OK;
}

/** Row of the session's root directory; 0 for a meta session or when it is gone. */
export function sessionRoot(state: State, context: RequestContext): number {
  const { nodes } = state;
  const row = context.session.rootinode === 0 ? 0 : nodes.find(context.session.rootinode);
  return row !== 0 && nodes.type.get(row) === TYPE_DIRECTORY ? row : 0;
}

/**
 * Row of the node that a request means by `inode`, 0 = ENOENT (spec 10, section 2.9).
 *
 * @param anywhere the test that the node lies below the session's root is left out.
 */
export function resolve(state: State, context: RequestContext, inode: number, anywhere = false): number {
  const { nodes } = state;
  const rootInode = context.session.rootinode;
  if (rootInode === ROOT_INODE) {
    return nodes.find(inode);
  }
  if (rootInode === 0) {
    const row = nodes.find(inode);
    return row !== 0 && isDetachedType(nodes.type.get(row)) ? row : 0;
  }
  const root = sessionRoot(state, context);
  if (root === 0 || inode === ROOT_INODE) {
    return root;
  }
  const row = nodes.find(inode);
  return row === 0 || anywhere || isBelow(state, row, root) ? row : 0;
}

/** Whether one of a node's names lies below a directory. */
export function isBelow(state: State, row: number, directory: number): boolean {
  const { nodes, edges } = state;
  for (let edge = nodes.firstEdge.get(row); edge !== 0; edge = edges.nextOfChild.get(edge)) {
    if (edgeIsBelow(state, edge, directory)) {
      return true;
    }
  }
  return false;
}

/** Whether a name lies in a directory or anywhere below it. */
export function edgeIsBelow(state: State, edge: number, directory: number): boolean {
  let at = state.edges.parent.get(edge);
  while (at !== 0 && at !== directory) {
    at = parentOf(state, at);
  }
  return at !== 0;
}

/** Whether the caller has all of `wanted` (R=4, W=2, X=1) on a node. */
export function isPermitted(state: State, context: RequestContext, row: number, wanted: number): boolean {
  return mayAccess(state, row, context, wanted);
}
