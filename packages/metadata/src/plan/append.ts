import { AppendSliceFlag, Disable, Status } from '@alces/proto';
import type { AmtimeOperation, AppendOperation, SetfilechunkOperation, SetversionOperation } from '../operations.ts';
import type { State } from '../state.ts';
import { CHUNK_BYTES, EATTR_IMMUTABLE, isFileType, MAX_CHUNK_INDEX } from '../tables/constants.ts';
import { slotSize } from '../tree/contribution.ts';
import { chunksCovering } from '../tree/fileData.ts';
import { ACCESS_READ, ACCESS_WRITE } from '../tree/permissions.ts';
import { isDisabled, isPermitted, isReadOnly, type Planned, type RequestContext, resolve } from './context.ts';
import { fileExceedsQuota, growthByLength, NO_GROWTH } from './quota.ts';

/** What APPEND_SLICE asks for (spec 10, section 5.1). */
export interface AppendSliceRequest {
  flags: number;
  dst: number;
  src: number;
  from: number;
  to: number;
}

/** APPEND_SLICE (spec 10, section 5.1). Status.OK: there is nothing to append. */
export function planAppendSlice(
  state: State,
  context: RequestContext,
  request: AppendSliceRequest,
): Planned<AppendOperation> {
  const { nodes } = state;
  if (isDisabled(context, Disable.APPENDCHUNKS)) {
    return Status.EPERM;
  }
  if (request.dst === request.src) {
    return Status.EINVAL;
  }
  if (isReadOnly(context)) {
    return Status.EROFS;
  }
  const src = resolve(state, context, request.src);
  const dst = resolve(state, context, request.dst);
  const status = src === 0 || dst === 0 ? Status.ENOENT : checkAppend(state, context, src, dst);
  if (status !== Status.OK) {
    return status;
  }
  const slice = sliceOf(request, chunksCovering(nodes.length.get(src)));
  if (slice === undefined) {
    return Status.OK;
  }
  const sizeStatus = checkAppendedSize(state, src, dst, slice);
  if (sizeStatus !== Status.OK) {
    return sizeStatus;
  }
  return { op: 'APPEND', dst: nodes.inode.get(dst), src: nodes.inode.get(src), from: slice.from, to: slice.to - 1 };
}

function checkAppend(state: State, context: RequestContext, src: number, dst: number): number {
  const { nodes } = state;
  if (!isFileType(nodes.type.get(src))) {
    return Status.EPERM;
  }
  if (!isPermitted(state, context, src, ACCESS_READ)) {
    return Status.EACCES;
  }
  if (!isFileType(nodes.type.get(dst)) || nodes.eattr.get(dst) & EATTR_IMMUTABLE) {
    return Status.EPERM;
  }
  return isPermitted(state, context, dst, ACCESS_WRITE) ? Status.OK : Status.EACCES;
}

/** The chunks [from, to) of the source, undefined if there are none. */
function sliceOf(request: AppendSliceRequest, chunks: number): { from: number; to: number } | undefined {
  let { from, to } = request;
  if (request.flags & AppendSliceFlag.FROM_NEG) {
    from = from > chunks ? 0 : chunks - from;
  }
  if (request.flags & AppendSliceFlag.TO_NEG) {
    if (to > chunks) {
      return undefined;
    }
    to = chunks - to;
  }
  to = Math.min(to, chunks);
  return from < to ? { from, to } : undefined;
}

function checkAppendedSize(state: State, src: number, dst: number, slice: { from: number; to: number }): number {
  const { nodes } = state;
  const start = chunksCovering(nodes.length.get(dst));
  const srcLength = nodes.length.get(src);
  const added = Math.min(srcLength, slice.to * CHUNK_BYTES) - slice.from * CHUNK_BYTES;
  const newLength = start * CHUNK_BYTES + added;
  if (start + slice.to - slice.from > MAX_CHUNK_INDEX + 1) {
    return Status.INDEXTOOBIG;
  }
  if (state.quotas.size === 0) {
    return Status.OK;
  }
  let { size } = growthByLength(state, dst, newLength);
  for (let i = nodes.nextUsedSlot(src, slice.from); i < slice.to; i = nodes.nextUsedSlot(src, i + 1)) {
    if (i >= nodes.slots.get(src)) {
      break;
    }
    size += slotSize(start + i - slice.from, newLength);
  }
  const realsize = size * state.storageClasses.copies(nodes.sclass.get(dst));
  const growth = { ...NO_GROWTH, length: newLength - nodes.length.get(dst), size, realsize };
  return fileExceedsQuota(state, dst, growth) ? Status.QUOTA : Status.OK;
}

/** REPAIR: the checks (spec 10, section 11.10). Returns the row of the file. */
export function planRepair(state: State, context: RequestContext, inode: number): Planned<{ row: number }> {
  const { nodes } = state;
  if (isReadOnly(context)) {
    return Status.EROFS;
  }
  const row = resolve(state, context, inode);
  if (row === 0) {
    return Status.ENOENT;
  }
  if (!isFileType(nodes.type.get(row)) || nodes.eattr.get(row) & EATTR_IMMUTABLE) {
    return Status.EPERM;
  }
  return isPermitted(state, context, row, ACCESS_WRITE) ? { row } : Status.EACCES;
}

/**
 * Entries for one repaired chunk of a file: the chunk gets `version`, or with version 0 the entry is emptied. Written in a form
 * that the stock program can replay (spec 51, section 7.2).
 */
export function repairOperations(
  state: State,
  row: number,
  index: number,
  version: number,
  now: number,
): [SetversionOperation | SetfilechunkOperation, AmtimeOperation] {
  const { nodes } = state;
  const inode = nodes.inode.get(row);
  const times: AmtimeOperation = { op: 'AMTIME', inode, atime: nodes.atime.get(row), mtime: now, ctime: now };
  return version === 0
    ? [{ op: 'SETFILECHUNK', inode, index, chunkid: 0 }, times]
    : [{ op: 'SETVERSION', chunkid: nodes.chunkAt(row, index), version }, times];
}
