import { Status } from '@alces/proto';
import type { Folder } from '../disks/folder.ts';
import { folderOf, type Store } from './context.ts';

/** An operation on a chunk that ends with this MooseFS status. */
export class ChunkFailure extends Error {
  readonly status: number;

  constructor(status: number, detail: string) {
    super(detail);
    this.name = 'ChunkFailure';
    this.status = status;
  }
}

/** A chunk file whose content is not what it must be. */
export class ContentError extends Error {
  constructor(detail: string) {
    super(detail);
    this.name = 'ContentError';
  }
}

/** The system's error code, empty when the error did not come from the system. */
export function errorCode(error: unknown): string {
  if (!(error instanceof Error && 'code' in error && typeof error.code === 'string')) return '';
  // `ERR_...` are Node's own complaints about wrong use: errors of this program.
  return error.code.startsWith('ERR_') ? '' : error.code;
}

/** An error of the system as the stock programs print it: `ENOENT (No such file or directory)`. */
export function systemErrorText(error: unknown): string {
  const match = /\b(E[A-Z0-9]+): ([a-z][a-z /-]*)/.exec(String(error));
  if (!match) return String(error);
  const text = match[2].trim();
  return `${match[1]} (${text.charAt(0).toUpperCase()}${text.slice(1)})`;
}

export function isOutOfSpace(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'ENOSPC' || code === 'EDQUOT';
}

/** Shortage of something in the process or the system, which says nothing about the chunk. */
export function isShortage(error: unknown): boolean {
  return ['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN', 'EINTR'].includes(errorCode(error));
}

/**
 * Passes on everything that is neither an error of the system nor of a file's content: that is an error of this program, and
 * to report chunks as damaged because of it would make the master delete them.
 */
function throwBugs(error: unknown): void {
  if (!(error instanceof ContentError) && errorCode(error) === '') throw error;
}

/** The status for the peer of whatever was thrown; errors of the program itself are passed on. */
export function statusOf(error: unknown): number {
  if (error instanceof ChunkFailure) return error.status;
  throwBugs(error);
  if (isShortage(error)) return Status.NOTDONE;
  return isOutOfSpace(error) ? Status.NOSPACE : Status.IO;
}

/** Notes an error on a folder: its error list and the master's error counter. */
export function folderFailed(store: Store, folder: Folder, chunkId: number, error: unknown): void {
  throwBugs(error);
  folder.errors.add({ chunkId, code: errorCode(error), unixSeconds: store.clock.unixSeconds() });
  store.reports.errorOccurred();
  store.log.warn(`${folder.path}: chunk ${chunkId.toString(16).toUpperCase()}: ${String(error)}`);
}

/** Notes an error on a chunk and reports it as damaged (spec 30 §2.9). */
export function chunkFailed(store: Store, slot: number, error: unknown): void {
  const chunkId = store.table.id(slot);
  folderFailed(store, folderOf(store, slot), chunkId, error);
  store.table.setDamaged(slot);
  store.reports.damaged(chunkId);
}
