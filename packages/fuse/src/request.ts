/** Who asks, and for which node. One object per request; valid as long as the server wants to look at it. */
export class Request {
  readonly opcode: number;
  /** The kernel's number of the request. */
  readonly unique: number;
  readonly node: number;
  readonly uid: number;
  readonly gid: number;
  /** Process (thread) that made the system call; 0 when the kernel itself asks. */
  readonly pid: number;
  /** For the server's own log: a word on how the request was answered, and on what the answer says. */
  remark = '';
  outcome = '';
  #interrupted = false;
  #onInterrupt: (() => void) | undefined;

  constructor(opcode: number, unique: number, node: number, uid: number, gid: number, pid: number) {
    this.opcode = opcode;
    this.unique = unique;
    this.node = node;
    this.uid = uid;
    this.gid = gid;
    this.pid = pid;
  }

  /** The caller got a signal and waits no longer than it must; the request still has to be answered (usually EINTR). */
  get interrupted(): boolean {
    return this.#interrupted;
  }

  /** Calls `run` when the request is interrupted, at once if it already is. One handler per request. */
  onInterrupt(run: () => void): void {
    if (this.#interrupted) run();
    else this.#onInterrupt = run;
  }

  /** For the server loop: an INTERRUPT for this request arrived. */
  interrupt(): void {
    if (this.#interrupted) return;
    this.#interrupted = true;
    this.#onInterrupt?.();
  }
}
