import type { State } from '../state.ts';
import { CHUNK_BYTES, CHUNK_HEADER_BYTES } from '../tables/constants.ts';
import {
  QUOTA_HARD_SHIFT,
  QUOTA_INODES,
  QUOTA_LENGTH,
  QUOTA_REALSIZE,
  QUOTA_SIZE,
  type Quota,
} from '../tables/quotas.ts';
import { type Contribution, slotSize } from '../tree/contribution.ts';
import { parentOf } from '../tree/names.ts';

/** How much an operation adds to the sums of directories. */
export type Growth = Pick<Contribution, 'inodes' | 'length' | 'size' | 'realsize'>;

export const NO_GROWTH: Growth = { inodes: 0, length: 0, size: 0, realsize: 0 };

/** Present use of a directory (node row) in the four kinds of quota. */
export function quotaUse(state: State, directory: number): Growth {
  const { directories } = state;
  const list = state.nodes.aux.get(directory);
  return {
    inodes: directories.inodes.get(list),
    length: directories.length.get(list),
    size: directories.size.get(list),
    realsize: directories.realsize.get(list),
  };
}

function isKindExceeded(quota: Quota, flag: number, soft: number, hard: number, use: number, growth: number): boolean {
  if (growth <= 0) {
    return false;
  }
  const hasHard = (quota.flags & (flag << QUOTA_HARD_SHIFT)) !== 0;
  const softBlocks = quota.exceeded !== 0 && (quota.flags & flag) !== 0;
  return (hasHard && use + growth > hard) || (softBlocks && use + growth > soft);
}

/** Whether the quota of one directory (node row) forbids a growth (spec 10, section 2.13). */
export function exceedsOwnQuota(state: State, directory: number, growth: Growth): boolean {
  const quota = state.quotas.get(state.nodes.inode.get(directory));
  if (quota === undefined) {
    return false;
  }
  const use = quotaUse(state, directory);
  const exceeded = (flag: number, soft: number | bigint, hard: number | bigint, kind: keyof Growth): boolean =>
    isKindExceeded(quota, flag, Number(soft), Number(hard), use[kind], growth[kind]);
  return (
    exceeded(QUOTA_INODES, quota.sinodes, quota.hinodes, 'inodes') ||
    exceeded(QUOTA_LENGTH, quota.slength, quota.hlength, 'length') ||
    exceeded(QUOTA_SIZE, quota.ssize, quota.hsize, 'size') ||
    exceeded(QUOTA_REALSIZE, quota.srealsize, quota.hrealsize, 'realsize')
  );
}

/** Whether the quota of a directory (node row) or of one above it forbids a growth. */
export function exceedsQuota(state: State, directory: number, growth: Growth): boolean {
  if (state.quotas.size === 0) {
    return false;
  }
  for (let row = directory; row !== 0; row = parentOf(state, row)) {
    if (exceedsOwnQuota(state, row, growth)) {
      return true;
    }
  }
  return false;
}

/** Whether a quota above any name of a node forbids a growth of it. */
export function fileExceedsQuota(state: State, row: number, growth: Growth): boolean {
  const { nodes, edges } = state;
  if (state.quotas.size === 0) {
    return false;
  }
  for (let edge = nodes.firstEdge.get(row); edge !== 0; edge = edges.nextOfChild.get(edge)) {
    if (edges.parent.get(edge) !== 0 && exceedsQuota(state, edges.parent.get(edge), growth)) {
      return true;
    }
  }
  return false;
}

/** Growth of a file whose length becomes `length`, which is more than now: only its present last chunk gets bigger. */
export function growthByLength(state: State, row: number, length: number): Growth {
  const { nodes } = state;
  const before = nodes.length.get(row);
  const last = before === 0 ? 0 : Math.ceil(before / CHUNK_BYTES) - 1;
  const hasChunk = last < nodes.slots.get(row) && nodes.chunkAt(row, last) !== 0;
  const size = hasChunk ? slotSize(last, length) - slotSize(last, before) : 0;
  return { inodes: 0, length: length - before, size, realsize: size * copiesOf(state, row) };
}

/** Growth assumed when the chunk with this index of a file is going to be written (spec 20, section 3.2.2). */
export function growthByWrite(state: State, row: number, index: number): Growth {
  const { nodes } = state;
  const before = nodes.length.get(row);
  const last = before === 0 ? 0 : Math.ceil(before / CHUNK_BYTES) - 1;
  const isEmpty = index >= nodes.slots.get(row) || nodes.chunkAt(row, index) === 0;
  const full = CHUNK_BYTES + CHUNK_HEADER_BYTES;
  let size = 0;
  if (isEmpty || index > last) {
    size = full;
  } else if (index === last) {
    size = full - slotSize(index, before);
  }
  return {
    inodes: 0,
    length: Math.max(index * CHUNK_BYTES - before, 0),
    size,
    realsize: size * copiesOf(state, row),
  };
}

function copiesOf(state: State, row: number): number {
  return state.storageClasses.copies(state.nodes.sclass.get(row));
}
