import { Status } from '@alces/proto';
import { type Planned, type RequestContext, resolve, sessionRoot } from '../plan/context.ts';
import { type Growth, quotaUse } from '../plan/quota.ts';
import type { State } from '../state.ts';
import { isFileType, ROOT_INODE, TYPE_DIRECTORY } from '../tables/constants.ts';
import { QUOTA_HARD_SHIFT, QUOTA_LENGTH, QUOTA_REALSIZE, QUOTA_SIZE, type Quota } from '../tables/quotas.ts';
import { type Contribution, contributionOf } from '../tree/contribution.ts';
import { parentOf, pathOf } from '../tree/names.ts';

/** GETDIRSTATS: sums of a directory, itself included, or of a file (spec 10, section 11.8). */
export function directoryStats(state: State, context: RequestContext, inode: number): Planned<Contribution> {
  const row = resolve(state, context, inode);
  if (row === 0) {
    return Status.ENOENT;
  }
  const type = state.nodes.type.get(row);
  return type === TYPE_DIRECTORY || isFileType(type) ? contributionOf(state, row) : Status.EPERM;
}

/** Space as chunkservers report it, bytes. */
export interface Space {
  total: number;
  avail: number;
  free: number;
}

/** Answer to STATFS. */
export interface Statfs extends Space {
  trash: number;
  sustained: number;
  inodes: number;
}

/** STATFS (spec 10, section 3.1): the space of the chunkservers, limited by quotas, and what the metadata know. */
export function statfs(state: State, context: RequestContext, space: Space): Statfs {
  const root = sessionRoot(state, context);
  if (root === 0) {
    return { total: 0, avail: 0, free: 0, trash: 0, sustained: 0, inodes: 0 };
  }
  const isWhole = context.session.rootinode === ROOT_INODE;
  const byAvail = { total: space.total, room: space.avail };
  const byFree = { total: space.total, room: space.free };
  for (let row = root; row !== 0; row = parentOf(state, row)) {
    limitByQuota(state, row, byAvail);
  }
  byFree.total = byAvail.total;
  for (let row = root; row !== 0; row = parentOf(state, row)) {
    limitByQuota(state, row, byFree);
  }
  return {
    total: byFree.total,
    avail: byAvail.room,
    free: byFree.room,
    trash: isWhole ? state.detached.trashBytes : 0,
    sustained: isWhole ? state.detached.sustainedBytes : 0,
    inodes: contributionOf(state, root).inodes,
  };
}

function limitByQuota(state: State, row: number, space: { total: number; room: number }): void {
  const quota = state.quotas.get(state.nodes.inode.get(row));
  if (quota === undefined) {
    return;
  }
  const use = quotaUse(state, row);
  for (const [limit, used] of limitsOf(quota, use)) {
    space.room = used >= limit ? 0 : Math.min(space.room, limit - used);
    space.total = Math.min(space.total, limit, used + space.room);
  }
}

/** The lower of soft and hard limit of each kind that has one, with the present use. */
function limitsOf(quota: Quota, use: Growth): [number, number][] {
  const limits: [number, number][] = [];
  const add = (flag: number, soft: bigint, hard: bigint, used: number): void => {
    const values: number[] = [];
    if (quota.flags & flag) {
      values.push(Number(soft));
    }
    if (quota.flags & (flag << QUOTA_HARD_SHIFT)) {
      values.push(Number(hard));
    }
    if (values.length > 0) {
      limits.push([Math.min(...values), used]);
    }
  };
  add(QUOTA_REALSIZE, quota.srealsize, quota.hrealsize, use.realsize);
  add(QUOTA_SIZE, quota.ssize, quota.hsize, use.size);
  add(QUOTA_LENGTH, quota.slength, quota.hlength, use.length);
  return limits;
}

/** A quota with the present use, for QUOTACONTROL and QUOTA_INFO; `quota` undefined when the directory has none. */
export interface QuotaState {
  inode: number;
  quota: Quota | undefined;
  use: Growth;
}

/** Quota and use of a directory (row). */
export function quotaState(state: State, row: number): QuotaState {
  const inode = state.nodes.inode.get(row);
  return { inode, quota: state.quotas.get(inode), use: quotaUse(state, row) };
}

/** QUOTA_INFO: all quotas with their paths (beginning with `/`) and the seconds until a soft limit blocks (spec 10, section 11.7). */
export function* allQuotas(
  state: State,
  now: number,
): IterableIterator<QuotaState & { quota: Quota; path: Buffer; timeToBlock: number }> {
  const { nodes } = state;
  for (const [inode, quota] of state.quotas) {
    const row = nodes.find(inode);
    if (row === 0) {
      continue;
    }
    const edge = nodes.firstEdge.get(row);
    const path = Buffer.concat([Buffer.from('/'), edge === 0 ? Buffer.alloc(0) : pathOf(state, edge)]);
    yield { inode, quota, use: quotaUse(state, row), path, timeToBlock: secondsToBlock(quota, now) };
  }
}

/** 0xFFFFFFFF = no soft limit is exceeded, 0 = blocking. */
function secondsToBlock(quota: Quota, now: number): number {
  if (quota.exceeded !== 0) {
    return 0;
  }
  return quota.stimestamp === 0 ? 0xffffffff : Math.max(quota.stimestamp + quota.graceperiod - now, 0);
}
