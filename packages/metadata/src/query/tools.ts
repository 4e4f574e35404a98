import { GetMode, Status } from '@alces/proto';
import { type Planned, type RequestContext, resolve } from '../plan/context.ts';
import type { State } from '../state.ts';
import { EATTR_NOENTRYCACHE, isFileType, TYPE_DIRECTORY } from '../tables/constants.ts';
import { forEachBelow } from '../tree/walk.ts';

/** Number of nodes by a value of theirs, ascending by value. */
export type CountedValues = [value: number, count: number][];

/** Files (or all non-directories) and directories, counted by a value. */
export interface CountsByKind {
  files: CountedValues;
  directories: CountedValues;
}

function visitNodes(state: State, row: number, gmode: number, visit: (row: number) => void): void {
  if (gmode === GetMode.RECURSIVE) {
    forEachBelow(state, row, visit);
  } else {
    visit(row);
  }
}

function count(into: Map<number, number>, value: number): void {
  into.set(value, (into.get(value) ?? 0) + 1);
}

function sorted(counts: Map<number, number>): CountedValues {
  return [...counts].sort((a, b) => a[0] - b[0]);
}

/** Checks of a query about a node or tree; `anyType`: not only files and directories. */
function resolveForCount(
  state: State,
  context: RequestContext,
  request: { inode: number; gmode: number },
  anyType: boolean,
): Planned<{ row: number }> {
  if (request.gmode !== GetMode.NORMAL && request.gmode !== GetMode.RECURSIVE) {
    return Status.EINVAL;
  }
  const row = resolve(state, context, request.inode);
  if (row === 0) {
    return Status.ENOENT;
  }
  const type = state.nodes.type.get(row);
  return anyType || type === TYPE_DIRECTORY || isFileType(type) ? { row } : Status.EPERM;
}

function countByKind(
  state: State,
  row: number,
  gmode: number,
  valueAt: (row: number) => number | undefined,
  allTypes: boolean,
): CountsByKind {
  const files = new Map<number, number>();
  const directories = new Map<number, number>();
  visitNodes(state, row, gmode, (at) => {
    const type = state.nodes.type.get(at);
    const value = valueAt(at);
    if (value === undefined) {
      return;
    }
    if (type === TYPE_DIRECTORY) {
      count(directories, value);
    } else if (allTypes || isFileType(type)) {
      count(files, value);
    }
  });
  return { files: sorted(files), directories: sorted(directories) };
}

/** GETTRASHTIME: counts by trash time in seconds (spec 10, section 11.2). */
export function countTrashtimes(
  state: State,
  context: RequestContext,
  request: { inode: number; gmode: number },
): Planned<CountsByKind> {
  const target = resolveForCount(state, context, request, false);
  if (typeof target === 'number') {
    return target;
  }
  return countByKind(state, target.row, request.gmode, (row) => state.nodes.trashtime.get(row) * 3600, false);
}

/** GETSCLASS: counts by class id; class 0 is left out (spec 10, section 11.3). */
export function countClasses(
  state: State,
  context: RequestContext,
  request: { inode: number; gmode: number },
): Planned<CountsByKind> {
  const target = resolveForCount(state, context, request, false);
  if (typeof target === 'number') {
    return target;
  }
  const classOf = (row: number): number | undefined => state.nodes.sclass.get(row) || undefined;
  return countByKind(state, target.row, request.gmode, classOf, false);
}

/**
 * GETEATTR: counts by eattr, of all types (spec 10, section 11.5).
 *
 * @param visibleBits bits that the client knows; others are masked out.
 */
export function countEattrs(
  state: State,
  context: RequestContext,
  request: { inode: number; gmode: number },
  visibleBits = 0xff,
): Planned<CountsByKind> {
  const { nodes } = state;
  const target = resolveForCount(state, context, request, true);
  if (typeof target === 'number') {
    return target;
  }
  const eattrOf = (row: number): number => {
    const hidden = nodes.type.get(row) === TYPE_DIRECTORY ? 0 : EATTR_NOENTRYCACHE;
    return nodes.eattr.get(row) & visibleBits & ~hidden;
  };
  return countByKind(state, target.row, request.gmode, eattrOf, true);
}

/** Answer to ARCHCTL GET. */
export interface ArchiveCounts {
  archivedChunks: number;
  otherChunks: number;
  /** Files all, some or none of whose chunks are archived; those without chunks are not counted. */
  archivedFiles: number;
  partlyFiles: number;
  otherFiles: number;
}

/** ARCHCTL GET: archive flags of a file or of all files below a directory (spec 10, section 11.6). */
export function countArchived(state: State, context: RequestContext, inode: number): Planned<ArchiveCounts> {
  const target = resolveForCount(state, context, { inode, gmode: GetMode.RECURSIVE }, false);
  if (typeof target === 'number') {
    return target;
  }
  const counts = { archivedChunks: 0, otherChunks: 0, archivedFiles: 0, partlyFiles: 0, otherFiles: 0 };
  forEachBelow(state, target.row, (row) => {
    if (isFileType(state.nodes.type.get(row))) {
      countArchivedFile(state, row, counts);
    }
  });
  return counts;
}

function countArchivedFile(state: State, row: number, counts: ArchiveCounts): void {
  const { nodes, chunks } = state;
  const slots = nodes.slots.get(row);
  let archived = 0;
  let other = 0;
  for (let i = nodes.nextUsedSlot(row, 0); i < slots; i = nodes.nextUsedSlot(row, i + 1)) {
    const chunk = chunks.find(nodes.chunkAt(row, i));
    if (chunk !== 0) {
      archived += chunks.archive.get(chunk) ? 1 : 0;
      other += chunks.archive.get(chunk) ? 0 : 1;
    }
  }
  counts.archivedChunks += archived;
  counts.otherChunks += other;
  if (archived === 0 && other === 0) {
    return; // files without chunks are neither
  }
  if (archived === 0) {
    counts.otherFiles++;
  } else if (other === 0) {
    counts.archivedFiles++;
  } else {
    counts.partlyFiles++;
  }
}
