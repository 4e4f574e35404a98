import {
  attributesOf,
  isFileType,
  type Operation,
  type Planned,
  presentationFor,
  type RequestContext,
  requestContext,
  resolve,
  type State,
} from '@alces/metadata';
import { type Attr, Status } from '@alces/proto';
import type { Core } from '../core.ts';
import type { Locks } from '../locks/locks.ts';
import type { Operation as OperationKind } from '../statistics.ts';
import { atLeast, type Client, ClientKind } from './client.ts';
import { NumberedRequests } from './numbered.ts';

/** Messages about files that only mounts send, and those that tools registered with the master itself may send too. */
export const MOUNTS = ClientKind.mount;
export const MOUNTS_AND_TOOLS = ClientKind.mount | ClientKind.tools;

/** What the handlers of file-system requests share. */
export class Requests {
  readonly core: Core;
  readonly locks: Locks;
  readonly numbered: NumberedRequests;

  constructor(core: Core, locks: Locks) {
    this.core = core;
    this.locks = locks;
    this.numbered = new NumberedRequests(core);
  }

  /** The caller of a request: its session, and the credentials it sent as the session maps them. */
  context(client: Client, uid: number, gids: readonly number[]): RequestContext {
    const session = this.core.sessions.stored(client.session!.id);
    return requestContext(session, this.core.clock.unixSeconds(), client.version, uid, gids);
  }

  /** Row of the node that a request means, which was found to be there before. */
  row(context: RequestContext, inode: number): number {
    return resolve(this.core.state, context, inode);
  }

  /** Whether a node (row) has file data; trash and sustained files have. */
  isFile(row: number): boolean {
    return isFileType(this.core.state.nodes.type.get(row));
  }

  /** Performs what was planned. Returns the status to answer. */
  perform<O extends Operation>(context: RequestContext, planned: Planned<O>): number {
    if (typeof planned === 'number') return planned;
    this.core.commit(planned, context.now);
    return Status.OK;
  }

  /** Counts a finished operation for the session's statistics and, if it succeeded, for the charts (spec 70 §3.3, §5.3). */
  count(context: RequestContext, kind: OperationKind, status: number): void {
    context.session.currentStats[kind]!++;
    if (status === Status.OK) this.core.operations[kind]!++;
  }
}

/** Attributes of a node (row) as the caller sees them; `parent`: row of the directory in the request, 0 = none. */
export function nodeAttributes(state: State, context: RequestContext, row: number, parent = 0): Attr {
  const attr = attributesOf(state, row, presentationFor(context), parent);
  attr.length = shownBytes(attr.length);
  return attr;
}

/** Layout of answers that end with attributes. */
export function attrLayout(client: Client): 'data' | 'data35' {
  return atLeast(client.version, 93) ? 'data' : 'data35';
}

/** Sizes and sums can be above what the wire's numbers hold here; more than 2^53-1 is shown as that. */
export function shownBytes(bytes: number): number {
  return Math.min(bytes, Number.MAX_SAFE_INTEGER);
}
