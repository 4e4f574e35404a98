import { RequestLedger } from '@alces/journal';
import type { Session, State } from '@alces/metadata';
import type { Client } from '../clients/client.ts';

/**
 * A session as the running master sees it: what only lives here, beside what the metadata stores (spec 00 §4.1). It exists as long
 * as the stored session does.
 */
export interface LiveSession {
  readonly id: number;
  readonly connections: Set<Client>;
  /** Address and version of the latest attachment, 0 = none since the start. */
  lastIp: number;
  lastVersion: number;
  /** The client said goodbye; the session goes at the next check unless somebody attaches again. */
  closed: boolean;
  /** Answers to numbered requests that changed no metadata, but something that this master remembers. */
  readonly answers: RequestLedger;
}

/** The sessions of the file system and who is attached to them. */
export class SessionRegistry {
  readonly #state: State;
  readonly #live = new Map<number, LiveSession>();

  constructor(state: State) {
    this.#state = state;
  }

  /** The live side of a stored session; undefined when there is no such session. */
  find(id: number): LiveSession | undefined {
    if (!this.#state.sessions.has(id)) return undefined;
    let live = this.#live.get(id);
    if (!live) {
      live = { id, connections: new Set(), lastIp: 0, lastVersion: 0, closed: false, answers: new RequestLedger() };
      this.#live.set(id, live);
    }
    return live;
  }

  /** The stored side. The session must exist. */
  stored(id: number): Session {
    const stored = this.#state.sessions.get(id);
    if (!stored) throw new Error(`session ${id} is attached but not stored`);
    return stored;
  }

  /** All sessions, connected or not. */
  *all(): IterableIterator<LiveSession> {
    for (const id of this.#state.sessions.keys()) yield this.find(id)!;
  }

  /** A connection joins a session. Nothing of this is logged (spec 00 §4.4 step 5). */
  attach(session: LiveSession, client: Client): void {
    session.connections.add(client);
    session.closed = false;
    session.lastIp = client.ip;
    session.lastVersion = client.version;
    this.stored(session.id).disconnected = 0;
  }

  /** A connection leaves. True when it was the last one: the caller logs SESDISCONNECTED. */
  detach(session: LiveSession, client: Client): boolean {
    return session.connections.delete(client) && session.connections.size === 0;
  }

  /** The stored session was removed. */
  forget(id: number): void {
    this.#live.delete(id);
  }
}
