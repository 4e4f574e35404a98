import type { Connection, ConnectionHandlers, Listener, Logger, Net } from '@alces/runtime';
import type { ListenAddress } from './config.ts';

/** A listening port whose address can change while connections made through it go on. */
export class ServicePort {
  readonly #net: Net;
  readonly #log: Logger;
  /** As in the stock daemon's messages, e.g. `main master server module`. */
  readonly #module: string;
  readonly #accept: (connection: Connection) => ConnectionHandlers;
  #listener: Listener | undefined;
  #address: ListenAddress | undefined;
  /** Listeners of earlier addresses: closing one would end its connections, so it only turns new ones away. */
  readonly #retired: Listener[] = [];
  #generation = 0;

  constructor(net: Net, log: Logger, module: string, accept: (connection: Connection) => ConnectionHandlers) {
    this.#net = net;
    this.#log = log;
    this.#module = module;
    this.#accept = accept;
  }

  /** Opens the port; throws when that is not possible. Answers the address as it is shown to people. */
  async open(address: ListenAddress): Promise<string> {
    this.#listener = await this.#listen(address);
    this.#address = address;
    return `${this.#module}: listen on ${address.host}:${this.#listener.port}`;
  }

  /** The port in use; differs from the configured one when that is 0. */
  get port(): number {
    return this.#listener?.port ?? 0;
  }

  /** Moves to another address; when it can't be opened the old one stays (spec 60 §2.2). */
  async move(address: ListenAddress): Promise<void> {
    const { host, port } = address;
    if (this.#address?.host === host && this.#address.port === port) {
      this.#log.info(`${this.#module}: socket address hasn't changed (${host}:${port})`);
      return;
    }
    try {
      const listener = await this.#listen(address);
      this.#generation++;
      if (this.#listener) this.#retired.push(this.#listener);
      this.#listener = listener;
      this.#address = address;
      this.#log.info(`${this.#module}: socket address has changed, now listen on ${host}:${port}`);
    } catch (error) {
      this.#log.error({ error }, `${this.#module}: can't listen on ${host}:${port} - the old address stays`);
    }
  }

  #listen(address: ListenAddress): Promise<Listener> {
    const generation = this.#listener ? this.#generation + 1 : this.#generation;
    return this.#net.listen(address, (connection) => {
      if (generation < this.#generation) connection.destroy();
      return this.#accept(connection);
    });
  }

  async close(): Promise<void> {
    for (const listener of [...this.#retired, this.#listener]) await listener?.close();
  }
}
