import type { Operation } from '@alces/metadata';

/** Files with a reservation; beyond, the oldest is forgotten. */
const LIMIT = 1_000_000;

/** Room at the end of a file that was given to an append. */
export interface Reservation {
  inode: number;
  /** Where the room ends; 0: none is reserved any more. */
  end: number;
  /** The file's length at that time. */
  length: number;
}

/**
 * Room reserved at the end of files for appends that were announced and not written yet (spec 20 §3.4.3). It is no metadata: a single master has it
 * in memory only, and after its restart an append begins at the end of what was written. Nodes of a replicated journal have it in notes (decision 0184).
 */
export class AppendReservations {
  readonly #files = new Map<number, Reservation>();

  /** End of the reserved room of a file, 0 = none. */
  of(inode: number): number {
    return this.#files.get(inode)?.end ?? 0;
  }

  /** Takes the place of what was reserved of the file before. */
  reserve(reservation: Reservation): void {
    this.#files.delete(reservation.inode);
    if (reservation.end === 0) return;
    this.#files.set(reservation.inode, reservation);
    if (this.#files.size <= LIMIT) return;
    const [oldest] = this.#files.keys();
    this.#files.delete(oldest!);
  }

  drop(inode: number): void {
    this.#files.delete(inode);
  }

  /** The file has got this length: a reservation up to it is used up. */
  reached(inode: number, length: number): void {
    const end = this.of(inode);
    if (end !== 0 && length >= end) this.#files.delete(inode);
  }

  /** A change of the metadata: a file that has become shorter than it was, and a new file, have no reservation. */
  applied(operation: Operation): void {
    if (operation.op === 'CREATE') this.drop(operation.inode);
    if (operation.op !== 'LENGTH') return;
    const { inode, length } = operation;
    this.reached(inode, length);
    if (length < (this.#files.get(inode)?.length ?? 0)) this.drop(inode);
  }

  /** Forgets reservations in files that are not there. */
  keepOnly(isThere: (inode: number) => boolean): void {
    for (const inode of [...this.#files.keys()]) if (!isThere(inode)) this.drop(inode);
  }

  /** In the order in which they were made. */
  all(): Iterable<Reservation> {
    return this.#files.values();
  }

  clear(): void {
    this.#files.clear();
  }
}
