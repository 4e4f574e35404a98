import type { SnapshotOperation } from '../operations.ts';
import type { State } from '../state.ts';
import {
  EATTR_APPENDONLY,
  EATTR_IMMUTABLE,
  EATTR_SNAPSHOT,
  EATTR_UNDELETABLE,
  TYPE_DIRECTORY,
} from '../tables/constants.ts';
import { unlinkName } from '../tree/nodes.ts';
import { ACCESS_EXECUTE, ACCESS_WRITE, type Credentials, mayAccess } from '../tree/permissions.ts';
import type { SnapshotResults } from './snapshot.ts';
import { credentialsOf } from './snapshotCopy.ts';

const EATTR_FROZEN = EATTR_APPENDONLY | EATTR_IMMUTABLE;

/** A directory whose children are being visited. */
interface Frame {
  /** Its own name. */
  edge: number;
  row: number;
  /** Next name in it to visit. */
  next: number;
  eattr: number;
}

/** Removes what belongs to snapshots from an entry and everything below it (spec 51, section 4.6). */
export function deleteTree(
  state: State,
  now: number,
  top: number,
  op: SnapshotOperation,
  results: SnapshotResults,
): void {
  const { edges } = state;
  const who = credentialsOf(op);
  const frames: Frame[] = [];
  const visit = (edge: number): void => {
    const frame = openFrame(state, edge, who);
    if (frame === undefined) {
      removeIfSnapshot(state, now, edge, results);
    } else {
      frames.push(frame);
    }
  };
  visit(top);
  for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
    const edge = frame.next;
    if (edge !== 0) {
      frame.next = edges.nextSibling.get(edge);
      visit(edge);
      continue;
    }
    frames.pop();
    if (edges.firstChild(frame.row) === 0) {
      state.nodes.eattr.set(frame.row, frame.eattr);
    }
    removeIfSnapshot(state, now, frame.edge, results);
  }
}

/** A directory whose content may be handled. */
function openFrame(state: State, edge: number, who: Credentials): Frame | undefined {
  const { nodes, edges } = state;
  const row = edges.child.get(edge);
  if (nodes.type.get(row) !== TYPE_DIRECTORY || !mayAccess(state, row, who, ACCESS_WRITE | ACCESS_EXECUTE)) {
    return undefined;
  }
  return { edge, row, next: edges.firstChild(row), eattr: nodes.eattr.get(row) };
}

function removeIfSnapshot(state: State, now: number, edge: number, results: SnapshotResults): void {
  const { nodes, edges } = state;
  const row = edges.child.get(edge);
  const eattr = nodes.eattr.get(row);
  const isFilled = nodes.type.get(row) === TYPE_DIRECTORY && edges.firstChild(row) !== 0;
  const isKept = (eattr & EATTR_SNAPSHOT) === 0 || (eattr & (EATTR_FROZEN | EATTR_UNDELETABLE)) !== 0;
  if (isFilled || isKept || nodes.eattr.get(edges.parent.get(edge)) & EATTR_FROZEN) {
    return;
  }
  results.removed++;
  results.xor ^= nodes.inode.get(row);
  nodes.trashtime.set(row, 0);
  unlinkName(state, now, edge);
}
