import { connect, type Socket } from 'node:net';
import { type Frame, FrameReader, type Message } from '@alces/proto';

/** A connection of a test to a data port: sends frames or raw bytes, takes frames one by one. */
export class TestPeer {
  readonly #socket: Socket;
  readonly #reader = new FrameReader(1_000_000);
  #frames: Frame[] = [];
  #closed = false;
  #wake: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (bytes: Buffer) => {
      this.#reader.push(bytes);
      this.#frames.push(...this.#reader);
      this.#wake?.();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#closed = true;
      this.#wake?.();
    });
  }

  static open(port: number): Promise<TestPeer> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => resolve(new TestPeer(socket)));
      socket.once('error', reject);
    });
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  get socket(): Socket {
    return this.#socket;
  }

  send(...frames: Buffer[]): void {
    for (const frame of frames) this.#socket.write(frame);
  }

  /** The next frame; undefined when the connection closed instead. */
  async next(deadlineMs = 15_000): Promise<Frame | undefined> {
    const end = performance.now() + deadlineMs;
    while (this.#frames.length === 0 && !this.#closed) {
      if (performance.now() > end) throw new Error(`no frame within ${deadlineMs} ms`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 100);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return this.#frames.shift();
  }

  /** The next frame, which must be this message (NOPs are skipped). */
  async expect<F>(message: Message<F>, deadlineMs?: number): Promise<F> {
    for (;;) {
      const frame = await this.next(deadlineMs);
      if (!frame) throw new Error(`closed instead of ${message.name}`);
      if (frame.type === 0 && message.number !== 0) continue;
      if (frame.type !== message.number) throw new Error(`message ${frame.type} instead of ${message.name}`);
      return message.decode(frame.payload);
    }
  }

  /** Waits until the other side closes; answers what came before. */
  async closed(deadlineMs = 15_000): Promise<Frame[]> {
    const frames: Frame[] = [];
    for (;;) {
      const frame = await this.next(deadlineMs);
      if (!frame) return frames;
      frames.push(frame);
    }
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
