import { Status } from '@alces/proto';
import type { Operation, OperationName } from '../operations.ts';
import type { State } from '../state.ts';
import { attributeHandlers } from './attributes.ts';
import { chunkHandlers } from './chunks.ts';
import { classHandlers } from './classes.ts';
import type { ApplyMode, Handlers } from './common.ts';
import { dataHandlers } from './data.ts';
import { lockHandlers } from './locks.ts';
import { recursiveHandlers } from './recursive.ts';
import { serverHandlers } from './servers.ts';
import { sessionHandlers } from './sessions.ts';
import { snapshotHandlers } from './snapshot.ts';
import { trashHandlers } from './trash.ts';
import { treeHandlers } from './tree.ts';

export type { ApplyMode } from './common.ts';

const handlers: Handlers<OperationName> = {
  ...treeHandlers,
  ...trashHandlers,
  ...snapshotHandlers,
  ...attributeHandlers,
  ...recursiveHandlers,
  ...dataHandlers,
  ...chunkHandlers,
  ...sessionHandlers,
  ...lockHandlers,
  ...classHandlers,
  ...serverHandlers,
};

type AnyHandler = (state: State, now: number, operation: Operation, mode: ApplyMode) => number;

/**
 * Performs one change log entry: the only function that changes the metadata (spec 51, sections 3 and 4).
 *
 * @param now time stamp of the entry, unix seconds.
 * @param mode what happens to the results of the operation, see ApplyMode.
 * @returns Status.OK and metaversion + 1; or another status and an unchanged state, except that a result which can only be
 * known afterwards (counters of recursive setters, in strict mode of SNAPSHOT, the id of RENUMERATEEDGES) and does not agree gives
 * Status.MISMATCH with the operation done. Such a state must not be used on.
 */
export function apply(state: State, now: number, operation: Operation, mode: ApplyMode): number {
  const handler = handlers[operation.op] as AnyHandler;
  const status = handler(state, now, operation, mode);
  if (status === Status.OK) {
    state.metaversion++;
  }
  return status;
}
