import { ChainedIndex, mixBits } from '../store/chainedIndex.ts';
import { U32Column } from '../store/columns.ts';

/** The relation "session has inode open" (spec 10, section 2.15). Neither side needs to exist. */
export class OpenFileTable {
  /** Fields of a row; inode 0 with session 0 = free row. */
  readonly session = new U32Column();
  readonly inode = new U32Column();
  private readonly nextOfSession = new U32Column();
  private readonly prevOfSession = new U32Column();
  private readonly index = new ChainedIndex((row) => mixBits(this.inode.get(row)));
  private readonly firstOfSession = new Map<number, number>();
  private readonly countOfSession = new Map<number, number>();
  private freeRow = 0;
  private used = 1;
  private live = 0;

  /** Number of (session, inode) pairs. */
  get count(): number {
    return this.live;
  }

  /** Number of inodes a session has open. */
  sessionCount(session: number): number {
    return this.countOfSession.get(session) ?? 0;
  }

  /** Whether any session has the inode open. */
  isOpen(inode: number): boolean {
    const next = this.index.next;
    let row = this.index.first(mixBits(inode));
    while (row !== 0 && this.inode.get(row) !== inode) {
      row = next.get(row);
    }
    return row !== 0;
  }

  has(session: number, inode: number): boolean {
    return this.find(session, inode) !== 0;
  }

  /** Adds a pair that is not there. */
  add(session: number, inode: number): void {
    let row = this.freeRow;
    if (row !== 0) {
      this.freeRow = this.nextOfSession.get(row);
    } else {
      row = this.used++;
    }
    this.session.set(row, session);
    this.inode.set(row, inode);
    this.index.insert(row, mixBits(inode));
    const first = this.firstOfSession.get(session) ?? 0;
    this.prevOfSession.set(row, 0);
    this.nextOfSession.set(row, first);
    if (first !== 0) {
      this.prevOfSession.set(first, row);
    }
    this.firstOfSession.set(session, row);
    this.countOfSession.set(session, this.sessionCount(session) + 1);
    this.live++;
  }

  /** Removes a pair; false if it is not there. */
  remove(session: number, inode: number): boolean {
    const row = this.find(session, inode);
    if (row === 0) {
      return false;
    }
    this.removeRow(row, session, inode);
    return true;
  }

  /** Inodes a session has open (a copy: the table may change while they are used), newest first. */
  inodesOf(session: number): number[] {
    const inodes: number[] = [];
    let row = this.firstOfSession.get(session) ?? 0;
    while (row !== 0) {
      inodes.push(this.inode.get(row));
      row = this.nextOfSession.get(row);
    }
    return inodes;
  }

  /** Sessions that have an inode open. */
  sessionsOf(inode: number): number[] {
    const sessions: number[] = [];
    let row = this.index.first(mixBits(inode));
    while (row !== 0) {
      if (this.inode.get(row) === inode) {
        sessions.push(this.session.get(row));
      }
      row = this.index.next.get(row);
    }
    return sessions;
  }

  /** All pairs. */
  *pairs(): IterableIterator<{ session: number; inode: number }> {
    for (let row = 1; row < this.used; row++) {
      const session = this.session.get(row);
      const inode = this.inode.get(row);
      if (session !== 0 || inode !== 0) {
        yield { session, inode };
      }
    }
  }

  private find(session: number, inode: number): number {
    const next = this.index.next;
    let row = this.index.first(mixBits(inode));
    while (row !== 0 && (this.inode.get(row) !== inode || this.session.get(row) !== session)) {
      row = next.get(row);
    }
    return row;
  }

  private removeRow(row: number, session: number, inode: number): void {
    this.index.remove(row, mixBits(inode));
    const previous = this.prevOfSession.get(row);
    const following = this.nextOfSession.get(row);
    if (following !== 0) {
      this.prevOfSession.set(following, previous);
    }
    if (previous !== 0) {
      this.nextOfSession.set(previous, following);
    } else if (following !== 0) {
      this.firstOfSession.set(session, following);
    } else {
      this.firstOfSession.delete(session);
    }
    const count = this.sessionCount(session) - 1;
    if (count === 0) {
      this.countOfSession.delete(session);
    } else {
      this.countOfSession.set(session, count);
    }
    this.session.set(row, 0);
    this.inode.set(row, 0);
    this.nextOfSession.set(row, this.freeRow);
    this.freeRow = row;
    this.live--;
  }
}
