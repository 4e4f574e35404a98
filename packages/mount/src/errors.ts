import { constants } from 'node:os';
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
