import { constants } from 'node:os';
import { Status, statusErrno, statusText } from '@alces/proto';

const { errno } = constants;

/** Of names with the same number (EAGAIN, EWOULDBLOCK) the usual one comes first. */
const CODES = new Map<number, string>(
  Object.entries(errno)
    .reverse()
    .map(([code, number]) => [number, code]),
);

/** A status that the master, a chunkserver or this library gave an operation. */
export class MfsError extends Error {
  override readonly name = 'MfsError';
  /** `Status` number. */
  readonly status: number;
  /** Positive errno that an application should get. */
  readonly errno: number;
  /** Name of the errno, such as `ENOENT`. */
  readonly code: string;

  constructor(status: number, errnoOf: number = statusErrno(status), detail?: string) {
    super(detail === undefined ? statusText(status) : `${statusText(status)}: ${detail}`);
    this.status = status;
    this.errno = errnoOf;
    this.code = CODES.get(errnoOf) ?? 'EINVAL';
  }
}

/** A master's refusal. It carries no stack: it comes from a socket's callback, and names that do not exist are asked for often. */
export function statusError(status: number): MfsError {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  const error = new MfsError(status);
  Error.stackTraceLimit = limit;
  return error;
}

/** EIO: no answer from the master, or an unusable one. */
export function ioError(detail: string): MfsError {
  return new MfsError(Status.IO, errno.EIO, detail);
}

/** Errno of a chunk operation's status at once, whatever tries are left; undefined: it is worth a retry (spec 00 §2.9). */
export interface ChunkErrorPolicy {
  readonly errorOnLostChunk: boolean;
  readonly errorOnNoSpace: boolean;
}

/** The error of READ_CHUNK or WRITE_CHUNK statuses that no retry can mend, else undefined. */
export function finalChunkError(status: number, writing: boolean, policy: ChunkErrorPolicy): MfsError | undefined {
  switch (status) {
    case Status.ENOENT:
    case Status.EPERM:
    case Status.NOCHUNK:
      return new MfsError(status, errno.EBADF);
    case Status.INDEXTOOBIG:
      return new MfsError(status, errno.EINVAL);
    case Status.QUOTA:
    case Status.IO:
      return new MfsError(status);
    case Status.EROFS:
      return writing ? new MfsError(status) : undefined;
    case Status.NOSPACE:
      return policy.errorOnNoSpace ? new MfsError(status) : undefined;
    case Status.CHUNKLOST:
      return policy.errorOnLostChunk ? new MfsError(status) : undefined;
    default:
      return undefined;
  }
}

/** The error when the tries of a chunk operation are used up; `status` is that of the last try. */
export function exhaustedChunkError(status: number, detail: string): MfsError {
  switch (status) {
    case Status.NOCHUNKSERVERS:
    case Status.NOSPACE:
      return new MfsError(status, errno.ENOSPC, detail);
    case Status.CSNOTPRESENT:
    case Status.CHUNKLOST:
      return new MfsError(status, errno.ENXIO, detail);
    default:
      return new MfsError(status, errno.EIO, detail);
  }
}

/** The error of a failed WRITE_CHUNK_END (spec 00 §2.9). */
export function writeEndError(status: number): MfsError {
  switch (status) {
    case Status.ENOENT:
      return new MfsError(status, errno.EBADF);
    case Status.QUOTA:
    case Status.IO:
      return new MfsError(status);
    default:
      return new MfsError(status, errno.ENXIO);
  }
}
