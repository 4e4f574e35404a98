import { previewEmptySustained, previewEmptyTrash, previewFreeInodes } from '../apply/trash.ts';
import type {
  EmptysustainedOperation,
  EmptytrashOperation,
  FreeinodesOperation,
  RenumerateedgesOperation,
} from '../operations.ts';
import type { State } from '../state.ts';
import { UNKNOWN_EDGE_ID } from '../tables/constants.ts';

/** The entry for one bucket of the trash; undefined if nothing in it has expired (spec 51, section 11). */
export function planEmptyTrash(state: State, now: number, bucket: number): EmptytrashOperation | undefined {
  const { rows } = previewEmptyTrash(state, now, bucket);
  return rows.length === 0 ? undefined : { op: 'EMPTYTRASH', bucket, removed: 0, sustained: 0, xor: 0 };
}

/** The entry for one bucket of the sustained files; undefined if all of them are open. */
export function planEmptySustained(state: State, bucket: number): EmptysustainedOperation | undefined {
  const { rows } = previewEmptySustained(state, bucket);
  return rows.length === 0 ? undefined : { op: 'EMPTYSUSTAINED', bucket, removed: 0, xor: 0 };
}

/** The entry that releases inode numbers freed more than `delay` seconds ago; undefined if there are none. */
export function planFreeInodes(state: State, now: number, delay: number): FreeinodesOperation | undefined {
  const { freed, kept } = previewFreeInodes(state, now, delay, true);
  return freed + kept === 0 ? undefined : { op: 'FREEINODES', delay, freed: 0, kept: 0, xor: 0 };
}

/** The entry due after loading an image, undefined if none is (spec 50, section 7.3). `demanded`: the loader asked for it. */
export function planRenumerateEdges(state: State, demanded: boolean): RenumerateedgesOperation | undefined {
  return demanded || state.nextedgeid === UNKNOWN_EDGE_ID ? { op: 'RENUMERATEEDGES', nextedgeid: 0n } : undefined;
}

/** Ids of sessions to be removed by the check of every 10 seconds (spec 00, section 4.10). */
export function expiredSessions(
  state: State,
  now: number,
  sustainSeconds: number,
  isConnected: (sessionId: number) => boolean,
  isClosed: (sessionId: number) => boolean,
): number[] {
  const expired: number[] = [];
  for (const [id, session] of state.sessions) {
    if (!isConnected(id) && (isClosed(id) || session.disconnected + sustainSeconds < now)) {
      expired.push(id);
    }
  }
  return expired;
}
