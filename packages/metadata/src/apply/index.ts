import type { Operation } from '../operations.ts';
import type { State } from '../state.ts';

/**
 * How `apply` treats the results of an operation.
 * - `live`: results are written into the operation.
 * - `replay`: results are compared; known defects of stock logs are tolerated (spec 51, section 7).
 * - `strict`: as the stock program replays, defects included (for comparison with it).
 */
export type ApplyMode = 'live' | 'replay' | 'strict';

/**
 * Performs one change log entry: the only function that changes the metadata.
 *
 * @param now time stamp of the entry, unix seconds.
 * @returns Status.OK and metaversion + 1, or the status of spec 51 section 3 and an unchanged state (see the README for the
 * few cases in which the spec demands otherwise).
 */
export type Apply = (state: State, now: number, operation: Operation, mode: ApplyMode) => number;
