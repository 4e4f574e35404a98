import { constants } from 'node:os';
import { getSystemErrorMessage, getSystemErrorName } from 'node:util';
import { MfsError } from '@alces/client';

export const Errno = constants.errno;

/** The errno of a refusal by the master or the data engine; anything else is a defect and goes on as it is. */
export function errnoOf(error: unknown): number {
  if (error instanceof MfsError) return error.errno;
  throw error;
}

export function isStatus(error: unknown, status: number): boolean {
  return error instanceof MfsError && error.status === status;
}

/** Texts of the C library where Node's differ. */
const TEXTS: Partial<Record<string, string>> = {
  EEXIST: 'File exists',
  EIO: 'Input/output error',
  EISDIR: 'Is a directory',
  ENAMETOOLONG: 'File name too long',
  ENOTCONN: 'Transport endpoint is not connected',
  ENOTSUP: 'Operation not supported',
  EXDEV: 'Invalid cross-device link',
  ERANGE: 'Numerical result out of range',
  EDQUOT: 'Disk quota exceeded',
};

/** `ENOENT (No such file or directory)`, as the stock programs show an errno. */
export function errnoText(errno: number): string {
  const name = getSystemErrorName(-errno);
  const message = getSystemErrorMessage(-errno) ?? 'unknown error';
  return `${name} (${TEXTS[name] ?? message.charAt(0).toUpperCase() + message.slice(1)})`;
}
