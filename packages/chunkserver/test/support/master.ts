import { createServer, type Server, type Socket } from 'node:net';
import { type Frame, FrameReader, MATOCS_MASTER_ACK, type Message } from '@alces/proto';

/** One connection that a chunkserver made to the test's master. */
export class MasterSide {
  readonly #socket: Socket;
  readonly #reader = new FrameReader(500_000_000);
  #frames: Frame[] = [];
  closed = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (bytes: Buffer) => {
      this.#reader.push(bytes);
      this.#frames.push(...this.#reader);
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.closed = true;
    });
  }

  send(...frames: Buffer[]): void {
    for (const frame of frames) this.#socket.write(frame);
  }

  end(): void {
    this.#socket.destroy();
  }

  get hasFrame(): boolean {
    return this.#frames.length > 0;
  }

  /** The next frame; NOPs, LOAD and SPACE reports are skipped unless asked for. */
  async next(skip: readonly number[] = [0, 10, 101, 103], deadlineMs = 15_000): Promise<Frame> {
    const end = performance.now() + deadlineMs;
    for (;;) {
      const frame = this.#frames.shift();
      if (frame && !skip.includes(frame.type)) return frame;
      if (frame) continue;
      if (this.closed) throw new Error('the chunkserver closed the connection');
      if (performance.now() > end) throw new Error(`no frame within ${deadlineMs} ms`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async expect<F>(message: Message<F>): Promise<F> {
    const frame = await this.next([0, 10, 101, 103].filter((type) => type !== message.number));
    if (frame.type !== message.number)
      throw new Error(`message ${frame.type} (${frame.payload.toString('hex')}) instead of ${message.name}`);
    return message.decode(frame.payload);
  }

  /** The usual answer to BEGIN. */
  accept(fields: Partial<{ version: number; timeout: number; csid: number; metaId: bigint }> = {}): void {
    this.send(
      MATOCS_MASTER_ACK.encode({
        layout: 'accepted',
        version: 0x000300ea,
        timeout: 10,
        csid: 1,
        metaId: 0x1122334455667788n,
        ...fields,
      }),
    );
  }
}

/** A master as far as a test plays it. */
export class TestMaster {
  readonly #server: Server;
  readonly #connections: MasterSide[] = [];
  #taken = 0;

  private constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket) => this.#connections.push(new MasterSide(socket)));
  }

  static start(): Promise<TestMaster> {
    const server = createServer();
    const master = new TestMaster(server);
    return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(master)));
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return address.port;
  }

  /** The next connection that a chunkserver makes. */
  async connection(deadlineMs = 15_000): Promise<MasterSide> {
    const end = performance.now() + deadlineMs;
    while (this.#connections.length <= this.#taken) {
      if (performance.now() > end) throw new Error(`no connection within ${deadlineMs} ms`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return this.#connections[this.#taken++];
  }

  async stop(): Promise<void> {
    for (const connection of this.#connections) connection.end();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
