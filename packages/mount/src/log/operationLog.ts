import type { Clock } from '@alces/runtime';

const RING_BYTES = 16 * 1024 * 1024;
/** How far back a reader of `.ophistory` starts at most. */
const HISTORY_BYTES = 0xf0_0000;
const LINE_CHARACTERS = 1000;
const IDLE_MS = 1000;
/** The wall clock was set. */
const CLOCK_JUMP_MS = 10;
const NEWLINE = 10;
const IDLE_LINE = Buffer.from('#\n');

function pad(value: number, digits: number): string {
  return String(value).padStart(digits, '0');
}

/** Writes the local time `MM.DD hh:mm:ss`, anew only when the second changes. */
class SecondText {
  #second = Number.NaN;
  #text = '';

  of(second: number): string {
    if (second === this.#second) return this.#text;
    const date = new Date(second * 1000);
    const day = `${pad(date.getMonth() + 1, 2)}.${pad(date.getDate(), 2)}`;
    const time = `${pad(date.getHours(), 2)}:${pad(date.getMinutes(), 2)}:${pad(date.getSeconds(), 2)}`;
    this.#second = second;
    this.#text = `${day} ${time}`;
    return this.#text;
  }
}

/** A reader's place in the log: bytes since the mount began. */
export interface LogReader {
  position: number;
}

/** The operations of the mount as text, the last 16 MiB of it: what `.oplog` and `.ophistory` show (spec 60 §6.1). */
export class OperationLog {
  readonly #clock: Clock;
  readonly #seconds = new SecondText();
  /** Wall time at monotonic time 0: the wall clock alone has no microseconds. */
  #wallBaseMs: number;
  readonly #ring = Buffer.allocUnsafeSlow(RING_BYTES);
  #end = 0;
  #waiting = new Set<() => void>();

  readonly #tee: ((line: string) => void) | undefined;

  /** `tee` gets every line too. */
  constructor(clock: Clock, tee?: (line: string) => void) {
    this.#clock = clock;
    this.#tee = tee;
    this.#wallBaseMs = clock.wallMs() - clock.monotonicMs();
  }

  #time(): string {
    let wallMs = this.#wallBaseMs + this.#clock.monotonicMs();
    if (Math.abs(wallMs - this.#clock.wallMs()) > CLOCK_JUMP_MS) {
      wallMs = this.#clock.wallMs();
      this.#wallBaseMs = wallMs - this.#clock.monotonicMs();
    }
    const second = Math.floor(wallMs / 1000);
    return `${this.#seconds.of(second)}.${pad(Math.floor((wallMs - second * 1000) * 1000), 6)}`;
  }

  /** Adds `text` behind the time. */
  add(text: string): void {
    const line = `${this.#time()}: ${text.slice(0, LINE_CHARACTERS)}\n`;
    const start = this.#end % RING_BYTES;
    const room = RING_BYTES - start;
    if (line.length <= room) this.#ring.write(line, start, 'latin1');
    else {
      this.#ring.write(line.slice(0, room), start, 'latin1');
      this.#ring.write(line.slice(room), 0, 'latin1');
    }
    this.#end += line.length;
    this.#tee?.(line);
    const waiting = this.#waiting;
    if (waiting.size === 0) return;
    this.#waiting = new Set();
    for (const wake of waiting) wake();
  }

  /** A reader that begins with the next operation, or with what is left of the past. */
  reader(withHistory: boolean): LogReader {
    if (!withHistory) return { position: this.#end };
    const oldest = Math.max(0, this.#end - HISTORY_BYTES);
    return { position: oldest === 0 ? 0 : this.#afterNewline(oldest) };
  }

  #afterNewline(position: number): number {
    let at = position;
    while (at < this.#end && this.#ring[at % RING_BYTES] !== NEWLINE) at += 1;
    return Math.min(at + 1, this.#end);
  }

  #take(reader: LogReader, limitBytes: number): Buffer {
    // A reader that was overtaken goes on with the oldest whole line.
    if (this.#end - reader.position > RING_BYTES) reader.position = this.#afterNewline(this.#end - RING_BYTES);
    const bytes = Buffer.allocUnsafe(Math.min(limitBytes, this.#end - reader.position));
    const start = reader.position % RING_BYTES;
    const first = Math.min(bytes.length, RING_BYTES - start);
    this.#ring.copy(bytes, 0, start, start + first);
    this.#ring.copy(bytes, first, 0, bytes.length - first);
    reader.position += bytes.length;
    return bytes;
  }

  /** What is there, else what comes within a second, else the idle line. `onStop` gets a function that ends the wait with nothing. */
  read(reader: LogReader, limitBytes: number, onStop: (stop: () => void) => void): Promise<Buffer> | Buffer {
    if (reader.position < this.#end) return this.#take(reader, limitBytes);
    return new Promise((resolve) => {
      let finished = false;
      const finish = (what: () => Buffer): void => {
        if (finished) return;
        finished = true;
        this.#waiting.delete(wake);
        cancel();
        resolve(what());
      };
      const wake = (): void => finish(() => this.#take(reader, limitBytes));
      const cancel = this.#clock.timeout(IDLE_MS, () => finish(() => IDLE_LINE.subarray(0, limitBytes)));
      this.#waiting.add(wake);
      onStop(() => finish(() => Buffer.alloc(0)));
    });
  }
}
