import { DecodeError, FrameTooLong } from '@alces/proto';
import type { Cancel, Clock, Net } from '@alces/runtime';
import { MfsError } from '../errors.ts';
import type { MasterAddress, SessionParameters } from '../types.ts';
import { MasterConnection, NotAMaster } from './masterConnection.ts';
import { MasterSearch } from './masterSearch.ts';
import { type KnownSession, type Registration, reconnectSession, registerSession } from './registration.ts';

/** The first registration is given up when no master was found for so long (the stock mount: 10 tries, spec 00 §6.2). */
const FIRST_LIMIT_MS = 5000;
/** Pause after a master was found that did not take the session, growing up to the last. */
const REFUSED_PAUSES_MS = [10, 20, 50, 100, 200, 500, 1000];
const CONNECT_LIMIT_MS = 2000;

export interface RegisteredConnection {
  readonly connection: MasterConnection;
  readonly parameters: SessionParameters;
}

/** A connection to the session; `parameters` if it was registered anew. */
interface Attempt {
  readonly connection: MasterConnection;
  readonly parameters: SessionParameters | undefined;
}

export interface Reconnected {
  /** `parameters` are given if the session was registered anew (with its old id, or as a new one). */
  connected(connection: MasterConnection, parameters: SessionParameters | undefined): void;
  /** The master serves a file system in which the session's inodes mean nothing. */
  sessionLost(): void;
}

/** A refusal, or an answer that no master gives: the next try would have the same end. */
function isFinal(error: unknown): boolean {
  const broken = error instanceof NotAMaster || error instanceof DecodeError || error instanceof FrameTooLong;
  return broken || error instanceof MfsError;
}

/** One effort to get a connection; ends when it is cancelled. */
class Effort {
  cancelled = false;
  #stop: (() => void) | undefined;

  /** What ends the step that is under way. */
  set step(stop: (() => void) | undefined) {
    this.#stop = stop;
  }

  cancel(): void {
    this.cancelled = true;
    this.#stop?.();
  }
}

/** Finds a master among the given addresses and registers with it. */
export class Connector {
  readonly #net: Net;
  readonly #clock: Clock;
  readonly #addresses: readonly MasterAddress[];
  readonly #bindHost: string | undefined;
  readonly #forgetPassword: boolean;
  readonly #efforts = new Set<Effort>();
  #registration: Registration;
  #stopped = false;
  /** Where a master was found last. */
  #latest: MasterAddress | undefined;

  constructor(
    net: Net,
    clock: Clock,
    addresses: readonly MasterAddress[],
    registration: Registration,
    options: { readonly bindHost: string | undefined; readonly forgetPassword: boolean },
  ) {
    if (addresses.length === 0) throw new Error('no master address given');
    this.#net = net;
    this.#clock = clock;
    this.#addresses = addresses;
    this.#registration = registration;
    this.#bindHost = options.bindHost;
    this.#forgetPassword = options.forgetPassword;
  }

  /** Registers a new session. Throws MfsError when a master refuses, another error when none can be reached. */
  async first(): Promise<RegisteredConnection> {
    const effort = this.#begin();
    const deadlineMs = this.#clock.monotonicMs() + FIRST_LIMIT_MS;
    for (let tries = 0; ; tries++) {
      const connection = await this.#find(effort, deadlineMs);
      try {
        return await this.#register(connection, undefined);
      } catch (error) {
        if (isFinal(error) || effort.cancelled) throw error;
      }
      await this.#pause(effort, tries);
    }
  }

  /** Gets a connection for the known session again, however long it takes, and reports it once. Returns what ends the effort. */
  again(session: KnownSession | undefined, result: Reconnected): Cancel {
    const effort = this.#begin();
    const run = async (): Promise<void> => {
      for (let tries = 0; !effort.cancelled; tries++) {
        const outcome = await this.#attempt(effort, session);
        if (effort.cancelled) {
          if (typeof outcome === 'object') outcome.connection.destroy();
        } else if (outcome === 'otherFileSystem') result.sessionLost();
        else if (outcome !== undefined) {
          this.#efforts.delete(effort);
          result.connected(outcome.connection, outcome.parameters);
          return;
        }
        await this.#pause(effort, tries);
      }
    };
    void run();
    return () => this.#cancel(effort);
  }

  stop(): void {
    this.#stopped = true;
    for (const effort of [...this.#efforts]) this.#cancel(effort);
  }

  #begin(): Effort {
    const effort = new Effort();
    this.#efforts.add(effort);
    if (this.#stopped) this.#cancel(effort);
    return effort;
  }

  #cancel(effort: Effort): void {
    this.#efforts.delete(effort);
    effort.cancel();
  }

  /** Undefined: it was silent or refused; the next attempt may find another master there. */
  async #attempt(effort: Effort, session: KnownSession | undefined): Promise<Attempt | 'otherFileSystem' | undefined> {
    try {
      const connection = await this.#find(effort);
      effort.step = () => connection.destroy();
      if (session === undefined) return await this.#register(connection, undefined);
      const answer = await this.#reconnect(connection, session);
      if (answer === 'ok') return { connection, parameters: undefined };
      const another = await this.#open(connection.address);
      effort.step = () => another.destroy();
      const renewed = await this.#register(another, answer === 'registerAgain' ? session : undefined);
      if (session.metaId === 0n || renewed.parameters.metaId === session.metaId) return renewed;
      renewed.connection.destroy();
      return 'otherFileSystem';
    } catch {
      return undefined;
    }
  }

  async #reconnect(
    connection: MasterConnection,
    session: KnownSession,
  ): Promise<Awaited<ReturnType<typeof reconnectSession>>> {
    try {
      const answer = await reconnectSession(connection, session);
      if (answer !== 'ok') connection.destroy();
      return answer;
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }

  async #register(connection: MasterConnection, session: KnownSession | undefined): Promise<RegisteredConnection> {
    try {
      const parameters = await registerSession(connection, this.#registration, session);
      if (this.#forgetPassword) this.#registration = { ...this.#registration, passwordMd5: undefined };
      return { connection, parameters };
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }

  async #open(address: MasterAddress): Promise<MasterConnection> {
    const connection = await MasterConnection.open(this.#net, this.#clock, address, CONNECT_LIMIT_MS, this.#bindHost);
    await connection.askVersion(CONNECT_LIMIT_MS);
    return connection;
  }

  /** A connection to a master that answers. Rejects with the last failure at the deadline, or when the effort is cancelled. */
  #find(effort: Effort, deadlineMs = Number.POSITIVE_INFINITY): Promise<MasterConnection> {
    return new Promise((resolve, reject) => {
      if (effort.cancelled) throw new Error('the session was closed');
      let failure: unknown = new Error('no answer from the master');
      let cancelLimit: Cancel = () => {};
      const latest = this.#latest;
      const search = new MasterSearch({
        net: this.#net,
        clock: this.#clock,
        addresses: latest === undefined ? this.#addresses : [latest, ...this.#addresses.filter((a) => a !== latest)],
        bindHost: this.#bindHost,
        found: (connection) => {
          cancelLimit();
          this.#latest = connection.address;
          resolve(connection);
        },
        failed: (reason) => {
          failure = reason;
        },
      });
      const giveUp = (): void => {
        cancelLimit();
        search.stop();
        reject(failure);
      };
      effort.step = giveUp;
      if (deadlineMs < Number.POSITIVE_INFINITY)
        cancelLimit = this.#clock.timeout(Math.max(0, deadlineMs - this.#clock.monotonicMs()), giveUp);
    });
  }

  #pause(effort: Effort, tries: number): Promise<void> {
    const pauseMs = REFUSED_PAUSES_MS[Math.min(tries, REFUSED_PAUSES_MS.length - 1)];
    return new Promise((resolve) => {
      if (effort.cancelled) return resolve();
      const cancel = this.#clock.timeout(pauseMs, resolve);
      effort.step = () => {
        cancel();
        resolve();
      };
    });
  }
}
