/** Status codes of the protocol, their texts and the errno that an application sees (spec 00 §2.9). */
import { constants } from 'node:os';

export const Status = {
  OK: 0,
  EPERM: 1,
  ENOTDIR: 2,
  ENOENT: 3,
  EACCES: 4,
  EEXIST: 5,
  EINVAL: 6,
  ENOTEMPTY: 7,
  CHUNKLOST: 8,
  OUTOFMEMORY: 9,
  INDEXTOOBIG: 10,
  LOCKED: 11,
  NOCHUNKSERVERS: 12,
  NOCHUNK: 13,
  CHUNKBUSY: 14,
  REGISTER: 15,
  NOTDONE: 16,
  NOTOPENED: 17,
  NOTSTARTED: 18,
  WRONGVERSION: 19,
  CHUNKEXIST: 20,
  NOSPACE: 21,
  IO: 22,
  BNUMTOOBIG: 23,
  WRONGSIZE: 24,
  WRONGOFFSET: 25,
  CANTCONNECT: 26,
  WRONGCHUNKID: 27,
  DISCONNECTED: 28,
  CRC: 29,
  DELAYED: 30,
  CANTCREATEPATH: 31,
  MISMATCH: 32,
  EROFS: 33,
  QUOTA: 34,
  BADSESSIONID: 35,
  NOPASSWORD: 36,
  BADPASSWORD: 37,
  ENOATTR: 38,
  ENOTSUP: 39,
  ERANGE: 40,
  NOTFOUND: 41,
  ACTIVE: 42,
  CSNOTPRESENT: 43,
  WAITING: 44,
  EAGAIN: 45,
  EINTR: 46,
  ECANCELED: 47,
  ENOENT_NOCACHE: 48,
  EPERM_NOTADMIN: 49,
  CLASSEXISTS: 50,
  CLASSLIMITREACH: 51,
  NOSUCHCLASS: 52,
  CLASSINUSE: 53,
} as const;

/** A status byte. Numbers outside the table are possible on the wire. */
export type Status = (typeof Status)[keyof typeof Status];

const { errno } = constants;

/** Index: status. Text as the stock tools print it, and the errno of metadata operations. */
const TABLE: readonly (readonly [text: string, errno: number])[] = [
  ['OK', 0],
  ['Operation not permitted', errno.EPERM],
  ['Not a directory', errno.ENOTDIR],
  ['No such file or directory', errno.ENOENT],
  ['Permission denied', errno.EACCES],
  ['File exists', errno.EEXIST],
  ['Invalid argument', errno.EINVAL],
  ['Directory not empty', errno.ENOTEMPTY],
  ['Chunk lost', errno.ENXIO],
  ['Out of memory', errno.EINVAL],
  ['Index too big', errno.EFBIG],
  ['Chunk locked', errno.EINVAL],
  ['No chunk servers', errno.ENOSPC],
  ['No such chunk', errno.EINVAL],
  ['Chunk is busy', errno.EINVAL],
  ['Incorrect register BLOB', errno.EINVAL],
  ['Operation not completed', errno.EINVAL],
  ['File not opened', errno.EBADF],
  ['Write not started', errno.EINVAL],
  ['Wrong chunk version', errno.EINVAL],
  ['Chunk already exists', errno.EINVAL],
  ['No space left', errno.ENOSPC],
  ['IO error', errno.EIO],
  ['Incorrect block number', errno.EINVAL],
  ['Incorrect size', errno.EINVAL],
  ['Incorrect offset', errno.EINVAL],
  ["Can't connect", errno.EINVAL],
  ['Incorrect chunk id', errno.EINVAL],
  ['Disconnected', errno.EINVAL],
  ['CRC error', errno.EINVAL],
  ['Operation delayed', errno.EINVAL],
  ["Can't create path", errno.EINVAL],
  ['Data mismatch', errno.EINVAL],
  ['Read-only file system', errno.EROFS],
  ['Quota exceeded', errno.EDQUOT],
  ['Bad session id', errno.EINVAL],
  ['Password is needed', errno.EINVAL],
  ['Incorrect password', errno.EINVAL],
  ['Attribute not found', errno.ENODATA],
  ['Operation not supported', errno.ENOTSUP],
  ['Result too large', errno.ERANGE],
  ['Entity not found', errno.EINVAL],
  ['Entity is active', errno.EINVAL],
  ['Chunkserver not present', errno.ENXIO],
  ['Waiting on lock', errno.EINVAL],
  ['Resource temporarily unavailable', errno.EAGAIN],
  ['Interrupted system call', errno.EINTR],
  ['Operation canceled', errno.ECANCELED],
  ['No such file or directory (not cacheable)', errno.ENOENT],
  ['Operation not permitted (mfs admin only)', errno.EINVAL],
  ['Class name already in use', errno.EINVAL],
  ['Maximum number of classes reached', errno.EINVAL],
  ['No such class', errno.EINVAL],
  ['Class in use', errno.EINVAL],
];

const NAMES: readonly string[] = Object.keys(Status);

/** Text of a status, `Unknown MFS error` for numbers outside the table. */
export function statusText(status: number): string {
  return TABLE[status]?.[0] ?? 'Unknown MFS error';
}

/** Name without the `MFS_ERROR_` prefix, e.g. `ENOENT`; the number for those outside the table. */
export function statusName(status: number): string {
  return NAMES[status] ?? String(status);
}

/**
 * The (positive) errno that an application gets for the status of a metadata operation; 0 for OK, EINVAL for statuses
 * that have none. The chunk-I/O path maps differently.
 */
export function statusErrno(status: number): number {
  return (TABLE[status] ?? [undefined, errno.EINVAL])[1];
}
