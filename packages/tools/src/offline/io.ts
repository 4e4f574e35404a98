/** Where a tool's output goes; tests collect it. */
export interface ToolIo {
  out(text: string | Buffer): void;
  error(text: string): void;
  /** The error output is a terminal: progress may be drawn on it. */
  readonly interactive: boolean;
}

/** The process's own standard output and error. A reader that goes away ends the output silently. */
export function processIo(): ToolIo {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  return {
    out: (text) => void process.stdout.write(text),
    error: (text) => void process.stderr.write(text),
    interactive: process.stderr.isTTY === true,
  };
}

const FLUSH_CHARACTERS = 64 * 1024;

/** Collects lines of one character per byte, and passes them on in larger pieces. */
export class LineOutput {
  readonly #io: ToolIo;
  #lines: string[] = [];
  #characters = 0;

  constructor(io: ToolIo) {
    this.#io = io;
  }

  line(text: string): void {
    this.#lines.push(text);
    this.#characters += text.length + 1;
    if (this.#characters > FLUSH_CHARACTERS) this.flush();
  }

  flush(): void {
    if (this.#lines.length === 0) return;
    this.#io.out(Buffer.from(`${this.#lines.join('\n')}\n`, 'latin1'));
    this.#lines = [];
    this.#characters = 0;
  }
}
