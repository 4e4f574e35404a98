import { DecodeError, FrameTooLong } from '@alces/proto';
import type { Cancel, Clock, Net } from '@alces/runtime';
import { MfsError } from '../errors.ts';
import type { MasterAddress, SessionParameters } from '../types.ts';
import { MasterConnection, NotAMaster } from './masterConnection.ts';
import { type KnownSession, type Registration, reconnectSession, registerSession } from './registration.ts';

/** Tries of the first registration before it is given up (spec 00 §6.2). */
const FIRST_TRIES = 10;
/**
 * The stock mount tries twice every 2 s. We begin much faster, so that a master that comes back or an address that moves to another
 * host costs little, and slow down to about its pace.
 */
const PAUSES_MS = [0, 20, 50, 100, 150, 250, 400, 600, 1000];
/** A lost SYN is repeated by the kernel after a second; a new attempt sooner finds an address that moved. */
const CONNECT_LIMITS_MS = [250, 250, 500, 500, 1000, 2000];

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

/** Finds a master among the given addresses and registers with it. */
export class Connector {
  readonly #net: Net;
  readonly #clock: Clock;
  readonly #addresses: readonly MasterAddress[];
  readonly #bindHost: string | undefined;
  readonly #forgetPassword: boolean;
  #registration: Registration;
  #stopped = false;
  #cancelPause: Cancel | undefined;
  #next = 0;

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
    let failure: unknown;
    for (let attempt = 0; attempt < FIRST_TRIES * this.#addresses.length; attempt++) {
      try {
        return await this.#register(attempt, undefined);
      } catch (error) {
        if (isFinal(error)) throw error;
        failure = error;
      }
      if (this.#stopped) break;
      await this.#pause(attempt);
    }
    throw failure;
  }

  /** Gets a connection for the known session again, however long it takes, and reports it once. */
  again(session: KnownSession | undefined, result: Reconnected): void {
    const run = async (): Promise<void> => {
      for (let attempt = 0; !this.#stopped; attempt++) {
        const outcome = await this.#attempt(attempt, session);
        if (outcome === 'otherFileSystem') result.sessionLost();
        else if (outcome !== undefined) {
          this.#report(outcome, result);
          return;
        }
        await this.#pause(attempt);
      }
    };
    void run();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelPause?.();
  }

  /** Undefined: unreachable, silent, or it refused; the next attempt may find another master there. */
  async #attempt(attempt: number, session: KnownSession | undefined): Promise<Attempt | 'otherFileSystem' | undefined> {
    try {
      if (session === undefined) return await this.#register(attempt, undefined);
      const answer = await this.#reconnect(attempt, session);
      if (typeof answer === 'object') return answer;
      const renewed = await this.#register(attempt, answer === 'registerAgain' ? session : undefined);
      if (session.metaId === 0n || renewed.parameters.metaId === session.metaId) return renewed;
      renewed.connection.destroy();
      return 'otherFileSystem';
    } catch {
      return undefined;
    }
  }

  async #reconnect(attempt: number, session: KnownSession): Promise<Attempt | 'registerAgain' | 'lost'> {
    const connection = await this.#open(attempt);
    try {
      const answer = await reconnectSession(connection, session);
      if (answer === 'ok') return { connection, parameters: undefined };
      connection.destroy();
      return answer;
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }

  #report({ connection, parameters }: Attempt, result: Reconnected): void {
    if (this.#stopped) connection.destroy();
    else result.connected(connection, parameters);
  }

  async #register(attempt: number, session: KnownSession | undefined): Promise<RegisteredConnection> {
    const connection = await this.#open(attempt);
    try {
      const parameters = await registerSession(connection, this.#registration, session);
      if (this.#forgetPassword) this.#registration = { ...this.#registration, passwordMd5: undefined };
      return { connection, parameters };
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }

  #open(attempt: number): Promise<MasterConnection> {
    const address = this.#addresses[this.#next % this.#addresses.length];
    const limit = CONNECT_LIMITS_MS[Math.min(attempt, CONNECT_LIMITS_MS.length - 1)];
    return MasterConnection.open(this.#net, this.#clock, address, limit, this.#bindHost);
  }

  /** After each failed attempt the next address has its turn. */
  #pause(attempt: number): Promise<void> {
    this.#next++;
    const round = Math.floor(attempt / this.#addresses.length);
    const pauseMs = PAUSES_MS[Math.min(round, PAUSES_MS.length - 1)];
    return new Promise((resolve) => {
      if (this.#stopped) return resolve();
      const cancel = this.#clock.timeout(pauseMs, resolve);
      this.#cancelPause = () => {
        cancel();
        resolve();
      };
    });
  }
}
