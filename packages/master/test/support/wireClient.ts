import { connect, type Socket } from 'node:net';
import {
  CLTOMA_FUSE_REGISTER,
  type DecodeContext,
  type Frame,
  FrameReader,
  MATOCL_FUSE_REGISTER,
  type Message,
  VERSION,
} from '@alces/proto';

const DEADLINE_MS = 10_000;

/** A connection to the client port that speaks frames, for tests. Frames from the server are kept in order until taken. */
export class WireClient {
  readonly socket: Socket;
  readonly #reader = new FrameReader(0xffffffff);
  readonly #frames: Frame[] = [];
  #waiting: (() => void)[] = [];
  #closed = false;
  /** Frames that came unasked: NOPs are dropped, everything else with msgid 0 is here. */
  readonly unsolicited: Frame[] = [];

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes: Buffer) => {
      this.#reader.push(bytes);
      for (const frame of this.#reader) this.#arrived(frame);
      this.#wake();
    });
    socket.on('close', () => {
      this.#closed = true;
      this.#wake();
    });
    socket.on('error', () => {});
  }

  static async connect(port: number, host = '127.0.0.1'): Promise<WireClient> {
    const socket = connect({ port, host, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new WireClient(socket);
  }

  /** Connects and registers as a mount. */
  static async mount(port: number, path = '/', version: number = VERSION): Promise<WireClient> {
    const client = await WireClient.connect(port);
    await client.register({
      layout: 'newSession',
      version,
      info: Buffer.from('/mnt\0'),
      path: Buffer.from(`${path}\0`),
    });
    return client;
  }

  #arrived(frame: Frame): void {
    const notification = frame.type === 0 || frame.type === 702 || frame.type === 703 || frame.type === 706;
    if (!notification) this.#frames.push(frame);
    else if (frame.type !== 0) this.unsolicited.push(frame);
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  /** Waits until something is true; checked whenever a frame or the end arrives. */
  async until<T>(what: string, test: () => T | undefined): Promise<T> {
    const deadline = Date.now() + DEADLINE_MS;
    for (;;) {
      const result = test();
      if (result !== undefined) return result;
      if (this.#closed) throw new Error(`connection closed while waiting for ${what}`);
      if (Date.now() > deadline) throw new Error(`timeout while waiting for ${what}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 200);
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  sendRaw(bytes: Buffer): void {
    this.socket.write(bytes);
  }

  send<Fields>(message: Message<Fields>, fields: Fields): void {
    this.socket.write(message.encode(fields));
  }

  /** The next frame that is not a notification. */
  frame(): Promise<Frame> {
    return this.until('a frame', () => this.#frames.shift());
  }

  /** Takes the next frame, which must be this message. */
  async receive<Fields>(message: Message<Fields>, context?: DecodeContext): Promise<Fields> {
    const frame = await this.frame();
    if (frame.type !== message.number) throw new Error(`expected ${message.name}, got message ${frame.type}`);
    return message.decode(frame.payload, context);
  }

  /** Sends a request and takes its answer. */
  request<Q, A>(request: Message<Q>, fields: Q, answer: Message<A>, context?: DecodeContext): Promise<A> {
    this.send(request, fields);
    return this.receive(answer, context);
  }

  register(fields: Parameters<(typeof CLTOMA_FUSE_REGISTER)['encode']>[0]) {
    return this.request(CLTOMA_FUSE_REGISTER, fields, MATOCL_FUSE_REGISTER);
  }

  /** Waits for the server to close the connection; answers that came before it. */
  async closed(): Promise<Frame[]> {
    const deadline = Date.now() + DEADLINE_MS;
    while (!this.#closed) {
      if (Date.now() > deadline) throw new Error('the server did not close the connection');
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 100);
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    return this.#frames.splice(0);
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  end(): void {
    this.socket.destroy();
  }
}
