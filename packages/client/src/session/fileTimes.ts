/** Each value is reported in two consecutive seconds, in case one report is lost with its connection (spec 00 §6.8). */
const REPORTS = 2;

interface Times {
  atime: number;
  atimeReports: number;
  mtime: number;
  mtimeReports: number;
}

export interface ReportedTimes {
  readonly inode: number;
  readonly atime: number;
  readonly mtime: number;
}

const NONE = { atime: 0, mtime: 0 };

/** Times of reads and writes that AMTIME_INODES has to report (spec 10 §10.3). Unix seconds by the master's clock; 0 none. */
export class FileTimes {
  readonly #times = new Map<number, Times>();

  noteRead(inode: number, now: number): void {
    const times = this.#of(inode);
    if (times.atime === now) return;
    times.atime = now;
    times.atimeReports = REPORTS;
  }

  noteWrite(inode: number, now: number): void {
    const times = this.#of(inode);
    if (times.mtime === now) return;
    times.mtime = now;
    times.mtimeReports = REPORTS;
  }

  pending(inode: number): { readonly atime: number; readonly mtime: number } {
    return this.#times.get(inode) ?? NONE;
  }

  forget(inode: number, atime: boolean, mtime: boolean): void {
    const times = this.#times.get(inode);
    if (!times) return;
    if (atime) times.atime = 0;
    if (mtime) times.mtime = 0;
    if (times.atime === 0 && times.mtime === 0) this.#times.delete(inode);
  }

  /** What to report now; values reported often enough are forgotten. */
  report(): ReportedTimes[] {
    const reported: ReportedTimes[] = [];
    for (const [inode, times] of this.#times) {
      reported.push({ inode, atime: times.atime, mtime: times.mtime });
      this.forget(inode, --times.atimeReports <= 0, --times.mtimeReports <= 0);
    }
    return reported;
  }

  #of(inode: number): Times {
    let times = this.#times.get(inode);
    if (!times) {
      times = { atime: 0, atimeReports: 0, mtime: 0, mtimeReports: 0 };
      this.#times.set(inode, times);
    }
    return times;
  }
}
