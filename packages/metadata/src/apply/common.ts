import { Status } from '@alces/proto';
import type { Operation, OperationName, OperationOf } from '../operations.ts';
import type { State } from '../state.ts';
import { TYPE_DIRECTORY } from '../tables/constants.ts';
import { isValidName } from '../tree/names.ts';

/**
 * How `apply` treats the results of an operation.
 * - `live`: results are written into the operation.
 * - `replay`: results are compared; known defects of stock logs are tolerated (spec 51, section 7) and reported.
 * - `strict`: as the stock program replays, defects included (for comparison with it).
 */
export type ApplyMode = 'live' | 'replay' | 'strict';

/** Performs one kind of operation; returns a status. */
export type Handler<N extends OperationName> = (
  state: State,
  now: number,
  operation: OperationOf<N>,
  mode: ApplyMode,
) => number;

/** Handlers of a group of operations by name. */
export type Handlers<N extends OperationName> = { readonly [K in N]: Handler<K> };

/**
 * Settles a computed result: live mode stores it in the operation, otherwise it must equal what the entry says. Returns whether
 * the operation may go on.
 */
export function settle<O extends Operation, K extends keyof O>(
  mode: ApplyMode,
  operation: O,
  field: K,
  value: O[K],
): boolean {
  if (mode === 'live') {
    operation[field] = value;
    return true;
  }
  return operation[field] === value;
}

/** Looks for the directory of a name to be: status, or 0 when the row is a directory and the name is valid. */
export function checkParent(state: State, row: number, name: Uint8Array): number {
  if (row === 0) {
    return Status.ENOENT;
  }
  if (state.nodes.type.get(row) !== TYPE_DIRECTORY) {
    return Status.ENOTDIR;
  }
  return isValidName(name) ? Status.OK : Status.EINVAL;
}
