import { createServer, connect as dial, type Server, type Socket } from 'node:net';

/** A way to a TCP server that can be cut at the worst moment: requests still go through, answers do not. */
export class Cutter {
  readonly #server: Server;
  readonly #pairs = new Set<{ near: Socket; far: Socket; deaf: boolean }>();
  connections = 0;
  /** Port of the server behind. */
  target: number;

  private constructor(target: number) {
    this.target = target;
    this.#server = createServer({ noDelay: true }, (near) => this.#accept(near));
  }

  static async start(target: number): Promise<Cutter> {
    const cutter = new Cutter(target);
    await new Promise<void>((resolve) => cutter.#server.listen(0, '127.0.0.1', resolve));
    return cutter;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  #accept(near: Socket): void {
    this.connections++;
    const far = dial({ port: this.target, host: '127.0.0.1', noDelay: true });
    const pair = { near, far, deaf: false };
    this.#pairs.add(pair);
    const end = () => {
      this.#pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) {
      socket.on('error', () => {});
      socket.on('close', end);
    }
    near.on('data', (bytes) => far.write(bytes));
    far.on('data', (bytes) => {
      if (!pair.deaf) near.write(bytes);
    });
  }

  /** Answers are swallowed from now on, on the connections that stand. */
  deafen(): void {
    for (const pair of this.#pairs) pair.deaf = true;
  }

  /** Breaks all connections. */
  cut(): void {
    for (const { near, far } of this.#pairs) {
      near.destroy();
      far.destroy();
    }
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
