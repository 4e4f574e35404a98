import { Status } from '@alces/proto';
import type { QuotaOperation } from '../operations.ts';
import type { State } from '../state.ts';
import { TYPE_DIRECTORY } from '../tables/constants.ts';
import {
  QUOTA_HARD_SHIFT,
  QUOTA_INODES,
  QUOTA_LENGTH,
  QUOTA_REALSIZE,
  QUOTA_SIZE,
  type Quota,
} from '../tables/quotas.ts';
import { isAdmin, isReadOnly, type Planned, type RequestContext, resolve } from './context.ts';
import { quotaUse } from './quota.ts';

/** The limits that QUOTACONTROL sets (spec 10, section 11.7). */
export interface QuotaLimits {
  graceperiod: number;
  sinodes: number;
  hinodes: number;
  slength: number;
  hlength: number;
  ssize: number;
  hsize: number;
  srealsize: number;
  hrealsize: number;
}

const NO_QUOTA: Quota = {
  graceperiod: 0,
  exceeded: 0,
  flags: 0,
  stimestamp: 0,
  sinodes: 0,
  hinodes: 0,
  slength: 0n,
  hlength: 0n,
  ssize: 0n,
  hsize: 0n,
  srealsize: 0n,
  hrealsize: 0n,
};

/** Checks of QUOTACONTROL: the row of the directory. `changes`: any limit is set or removed. */
export function planQuotaAccess(
  state: State,
  context: RequestContext,
  inode: number,
  changes: boolean,
): Planned<{ row: number }> {
  if (changes && context.session.rootuid !== 0) {
    return Status.EACCES;
  }
  if (changes && isReadOnly(context)) {
    return Status.EROFS;
  }
  if ((changes && !isAdmin(context)) || context.session.rootinode === 0) {
    return Status.EPERM;
  }
  const row = resolve(state, context, inode);
  if (row === 0) {
    return Status.ENOENT;
  }
  return state.nodes.type.get(row) === TYPE_DIRECTORY ? { row } : Status.EPERM;
}

/** QUOTACONTROL that sets the limits in `qflags` (not 0). */
export function planSetQuota(
  state: State,
  context: RequestContext,
  inode: number,
  qflags: number,
  limits: QuotaLimits,
): Planned<QuotaOperation> {
  const target = planQuotaAccess(state, context, inode, true);
  if (typeof target === 'number') {
    return target;
  }
  const old = state.quotas.get(state.nodes.inode.get(target.row)) ?? NO_QUOTA;
  const soft = (flag: number): boolean => (qflags & flag) !== 0;
  const hard = (flag: number): boolean => (qflags & (flag << QUOTA_HARD_SHIFT)) !== 0;
  return quotaOperation(state, target.row, {
    ...old,
    graceperiod: limits.graceperiod || old.graceperiod,
    flags: old.flags | qflags,
    sinodes: soft(QUOTA_INODES) ? limits.sinodes : old.sinodes,
    hinodes: hard(QUOTA_INODES) ? limits.hinodes : old.hinodes,
    slength: soft(QUOTA_LENGTH) ? BigInt(limits.slength) : old.slength,
    hlength: hard(QUOTA_LENGTH) ? BigInt(limits.hlength) : old.hlength,
    ssize: soft(QUOTA_SIZE) ? BigInt(limits.ssize) : old.ssize,
    hsize: hard(QUOTA_SIZE) ? BigInt(limits.hsize) : old.hsize,
    srealsize: soft(QUOTA_REALSIZE) ? BigInt(limits.srealsize) : old.srealsize,
    hrealsize: hard(QUOTA_REALSIZE) ? BigInt(limits.hrealsize) : old.hrealsize,
  });
}

/** QUOTACONTROL that removes the limits in `qflags` (not 0). */
export function planRemoveQuota(
  state: State,
  context: RequestContext,
  inode: number,
  qflags: number,
): Planned<QuotaOperation> {
  const target = planQuotaAccess(state, context, inode, true);
  if (typeof target === 'number') {
    return target;
  }
  const old = state.quotas.get(state.nodes.inode.get(target.row)) ?? NO_QUOTA;
  const flags = old.flags & ~qflags;
  const keeps = (flag: number): boolean => (flags & flag) !== 0;
  const keepsHard = (flag: number): boolean => (flags & (flag << QUOTA_HARD_SHIFT)) !== 0;
  return quotaOperation(state, target.row, {
    ...old,
    flags,
    sinodes: keeps(QUOTA_INODES) ? old.sinodes : 0,
    hinodes: keepsHard(QUOTA_INODES) ? old.hinodes : 0,
    slength: keeps(QUOTA_LENGTH) ? old.slength : 0n,
    hlength: keepsHard(QUOTA_LENGTH) ? old.hlength : 0n,
    ssize: keeps(QUOTA_SIZE) ? old.ssize : 0n,
    hsize: keepsHard(QUOTA_SIZE) ? old.hsize : 0n,
    srealsize: keeps(QUOTA_REALSIZE) ? old.srealsize : 0n,
    hrealsize: keepsHard(QUOTA_REALSIZE) ? old.hrealsize : 0n,
  });
}

function quotaOperation(state: State, row: number, quota: Quota): QuotaOperation {
  return { op: 'QUOTA', inode: state.nodes.inode.get(row), ...(quota.flags === 0 ? NO_QUOTA : quota) };
}

/** Whether the use of a directory is above one of its soft limits. */
export function isSoftLimitExceeded(state: State, row: number, quota: Quota): boolean {
  const use = quotaUse(state, row);
  return (
    ((quota.flags & QUOTA_INODES) !== 0 && use.inodes > quota.sinodes) ||
    ((quota.flags & QUOTA_LENGTH) !== 0 && use.length > Number(quota.slength)) ||
    ((quota.flags & QUOTA_SIZE) !== 0 && use.size > Number(quota.ssize)) ||
    ((quota.flags & QUOTA_REALSIZE) !== 0 && use.realsize > Number(quota.srealsize))
  );
}

/** The quota check of every second: entries for quotas whose soft state changes (spec 10, section 2.13). */
export function planQuotaCheck(state: State, now: number): QuotaOperation[] {
  const operations: QuotaOperation[] = [];
  for (const [inode, quota] of state.quotas) {
    const row = state.nodes.find(inode);
    if (row === 0) {
      continue;
    }
    const isOver = isSoftLimitExceeded(state, row, quota);
    const since = isOver ? quota.stimestamp || now : 0;
    const exceeded = since !== 0 && since + quota.graceperiod < now ? 1 : 0;
    if (since !== quota.stimestamp || exceeded !== quota.exceeded) {
      operations.push({ op: 'QUOTA', inode, ...quota, stimestamp: since, exceeded });
    }
  }
  return operations;
}
