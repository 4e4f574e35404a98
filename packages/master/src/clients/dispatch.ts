import { DecodeError, type Message } from '@alces/proto';
import type { Client } from './client.ts';

/** Works off one request. Errors of the client's making are answered by the handler. */
type Handler = (client: Client, payload: Buffer) => void;

interface Entry {
  readonly name: string;
  /** Bits of `ClientKind`: connections on which the message is accepted. */
  readonly who: number;
  readonly handle: Handler;
}

/** Why a connection has to be closed (spec 00 §1.4). */
export class ProtocolViolation extends Error {}

/** The messages the client port understands. */
export class DispatchTable {
  readonly #entries = new Map<number, Entry>();
  /** Runs a request that a number was announced for. */
  executeNumbered: ((client: Client, type: number, payload: Buffer, execute: () => void) => void) | undefined;

  /** Registers a request: who may send it and what happens then. */
  on<Fields>(message: Message<Fields>, who: number, handle: (client: Client, request: Fields) => void): void {
    if (this.#entries.has(message.number)) throw new Error(`${message.name} is handled twice`);
    this.#entries.set(message.number, {
      name: message.name,
      who,
      handle: (client, payload) => handle(client, message.decode(payload, client)),
    });
  }

  /** Registers a message that is accepted with any payload and means nothing. */
  ignore(number: number, name: string, who: number): void {
    this.#entries.set(number, { name, who, handle: () => {} });
  }

  /** Runs the handler of a request; throws ProtocolViolation when the connection must be closed. */
  run(client: Client, type: number, payload: Buffer): void {
    const entry = this.#entries.get(type);
    if (!entry) throw new ProtocolViolation(`got unknown message (type:${type})`);
    if ((entry.who & client.kind) === 0)
      throw new ProtocolViolation(`got ${entry.name} which this connection may not send`);
    try {
      if (client.announced === 0 || !this.executeNumbered) entry.handle(client, payload);
      else this.executeNumbered(client, type, payload, () => entry.handle(client, payload));
    } catch (error) {
      if (error instanceof DecodeError) throw new ProtocolViolation(error.message);
      throw error;
    }
  }
}
