export const QUOTA_INODES = 0x01;
export const QUOTA_LENGTH = 0x02;
export const QUOTA_SIZE = 0x04;
export const QUOTA_REALSIZE = 0x08;
/** A hard limit's flag is the soft one's shifted by this. */
export const QUOTA_HARD_SHIFT = 4;

/** A directory's quota (spec 50, section 3.6). Limits whose flag is clear are 0. */
export interface Quota {
  /** Seconds. */
  graceperiod: number;
  exceeded: number;
  /** QUOTA_* for soft limits, shifted by QUOTA_HARD_SHIFT for hard ones. */
  flags: number;
  /** Since when a soft limit is exceeded; 0 = it is not. */
  stimestamp: number;
  sinodes: number;
  hinodes: number;
  slength: bigint;
  hlength: bigint;
  ssize: bigint;
  hsize: bigint;
  srealsize: bigint;
  hrealsize: bigint;
}

/** Quotas by inode of the directory. */
export class QuotaTable extends Map<number, Quota> {}
