import type { Cancel, Listener } from '@alces/runtime';
import { DataConnection } from './connection.ts';
import type { DataContext } from './context.ts';

/** Connections served at a time; more are closed at once. */
const MAX_CONNECTIONS = 8192;
const TICK_MS = 100;

/** The data port (default 9422): accepts connections and keeps their time. */
export class DataServer {
  readonly #context: DataContext;
  readonly #connections = new Set<DataConnection>();
  #listener: Listener | undefined;
  #address = '';
  readonly #cancelTick: Cancel;

  constructor(context: DataContext) {
    this.#context = context;
    this.#cancelTick = context.clock.interval(TICK_MS, () => this.#tick());
  }

  get connections(): number {
    return this.#connections.size;
  }

  get port(): number {
    return this.#listener?.port ?? 0;
  }

  /** Listens there from now on; a listener in use before is closed only when the new one is up. Rejects when it cannot. */
  async listen(host: string, port: number): Promise<void> {
    const address = `${host}:${port}`;
    if (this.#listener && address === this.#address) return;
    const listener = await this.#context.streams.listen({ host, port }, (stream) => {
      const connection = new DataConnection(this.#context, stream, () => this.#connections.delete(connection));
      this.#connections.add(connection);
      if (this.#connections.size > MAX_CONNECTIONS) connection.close();
      return connection;
    });
    const before = this.#listener;
    this.#listener = listener;
    this.#address = address;
    await before?.close();
  }

  /** Closes the port and all connections. */
  async stop(): Promise<void> {
    this.#cancelTick();
    const closing = this.#listener?.close();
    for (const connection of [...this.#connections]) connection.close();
    this.#context.cache.closeAll();
    await closing;
  }

  #tick(): void {
    const nowMs = this.#context.clock.monotonicMs();
    for (const connection of this.#connections) connection.tick(nowMs);
    this.#context.cache.tick(nowMs);
  }
}
