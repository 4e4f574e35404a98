import { isIPv4 } from 'node:net';
import { type Cancel, type Connection, type Net, type Random, resolveHost } from '@alces/runtime';
import { ipNumber, ipText, isLoopback } from '../net/address.ts';
import { type Generation, MasterSession, type SessionContext } from './session.ts';
import { type LinkSettings, needsReconnect } from './settings.ts';

/** The link to the master: connecting, trying again, following the configuration (spec 30 §1.4). */

const CONNECT_MS = 1000;
const TICK_MS = 200;
const FALLBACK_AFTER = 3;

/** The first attempt cannot succeed with this configuration: the server must not start. */
export class MasterUnreachable extends Error {
  constructor(reason: string) {
    super(`master connection module: ${reason}`);
    this.name = 'MasterUnreachable';
  }
}

export interface LinkContext extends Omit<SessionContext, 'settings' | 'redirected'> {
  net: Net;
  random: Random;
}

/** Errors of a connect call that mean the network itself is not there. */
const IMMEDIATE_FAILURES = new Set(['ENETUNREACH', 'EADDRNOTAVAIL', 'EACCES', 'EPERM']);

export class MasterLink {
  readonly #context: LinkContext;
  readonly #sessionContext: SessionContext;
  #settings: LinkSettings;
  #session: MasterSession | undefined;
  #connecting = false;
  #stopped = false;
  /** Offset of the grid of attempts, in seconds. */
  #gridOffset: number;
  #cancelAttempt: Cancel = () => {};
  readonly #cancelTick: Cancel;
  /** Falls with each connection that ends without a word from the master; at 0 the old way of registering is tried. */
  #generationCounter = FALLBACK_AFTER;
  /** The address to use once more instead of resolving the name. */
  #addressOnce: string | undefined;
  #lastAddress: string | undefined;
  #lastTimeoutSeconds = 0;

  constructor(context: LinkContext, settings: LinkSettings) {
    this.#context = context;
    this.#settings = settings;
    this.#gridOffset = context.random.below(Math.max(1, settings.reconnectionDelaySeconds));
    this.#sessionContext = {
      ...context,
      settings: () => this.#settings,
      redirected: (ip) => {
        this.#addressOnce = ip === 0 ? undefined : ipText(ip);
      },
    };
    this.#cancelTick = context.clock.interval(TICK_MS, () => this.#session?.tick());
  }

  get isRegistered(): boolean {
    return this.#session?.isRegistered ?? false;
  }

  /** Address of the master we are registered with, zeros when we are not. */
  get master(): { ip: number; port: number } {
    const session = this.#session;
    return session?.isRegistered ? { ip: session.masterIp, port: session.masterPort } : { ip: 0, port: 0 };
  }

  /** Makes the first attempt. Rejects with MasterUnreachable when no later one can be expected to do better. */
  async start(): Promise<void> {
    let address: string;
    try {
      address = await this.#resolve();
    } catch {
      throw new MasterUnreachable(
        `can't resolve master host/port (${this.#settings.masterHost}:${this.#settings.masterPort})`,
      );
    }
    if (this.#isUselessLoopback(address))
      throw new MasterUnreachable(
        `localhost (${address}) can't be used for connecting with master (use ip address of network controller)`,
      );
    const error = await this.#connect(address);
    if (error && IMMEDIATE_FAILURES.has(error.code))
      throw new MasterUnreachable(`can't connect to master (${address}:${this.#settings.masterPort}): ${error.text}`);
    this.#scheduleAttempt();
  }

  /** There is something in the report queue. */
  reportSoon(): void {
    this.#session?.reportSoon();
  }

  /** The load status changed. */
  reportLoad(): void {
    this.#session?.reportLoad();
  }

  /** Takes over a new configuration. */
  reload(settings: LinkSettings): void {
    const before = this.#settings;
    this.#settings = settings;
    this.#gridOffset = 0;
    const session = this.#session;
    if (session) {
      const labelsChanged = before.labelMask !== settings.labelMask;
      if (needsReconnect(before, settings) || (labelsChanged && !session.isRegistered)) {
        session.disconnect();
        // Not the address of before, even if the name is still the same.
        this.#lastAddress = undefined;
      } else if (labelsChanged) {
        session.sendLabels();
      }
    }
    this.#scheduleAttempt();
  }

  /** Takes leave of the master. */
  stop(): void {
    this.#stopped = true;
    this.#cancelAttempt();
    this.#cancelTick();
    this.#session?.disconnect();
  }

  async #resolve(): Promise<string> {
    const { masterHost } = this.#settings;
    return isIPv4(masterHost) ? masterHost : resolveHost(masterHost);
  }

  /** Attempts are made at fixed times of the clock, not a time after the loss. */
  #scheduleAttempt(): void {
    this.#cancelAttempt();
    if (this.#stopped) return;
    const periodMs = this.#settings.reconnectionDelaySeconds * 1000;
    const sinceMs = (this.#context.clock.wallMs() - this.#gridOffset * 1000) % periodMs;
    this.#cancelAttempt = this.#context.clock.timeout(periodMs - sinceMs, () => {
      this.#scheduleAttempt();
      if (!this.#session && !this.#connecting) void this.#attempt();
    });
  }

  async #attempt(): Promise<void> {
    const known = this.#addressOnce ?? this.#lastAddress;
    this.#addressOnce = undefined;
    this.#lastAddress = undefined;
    let address = known;
    try {
      this.#connecting = true;
      address ??= await this.#resolve();
    } catch {
      this.#context.log.warn(`master connection module: can't resolve master host (${this.#settings.masterHost})`);
    } finally {
      this.#connecting = false;
    }
    if (address === undefined || this.#stopped) return;
    if (this.#isUselessLoopback(address)) {
      this.#context.log.warn(
        `master connection module: localhost (${address}) can't be used for connecting with master`,
      );
      return;
    }
    await this.#connect(address);
  }

  /**
   * Over a loopback address the master would know this server by one that no other machine can use, so it is refused as the
   * stock chunkserver does, unless BIND_HOST says that a cluster on one machine is meant.
   */
  #isUselessLoopback(address: string): boolean {
    const { bindHost } = this.#settings;
    const meant = bindHost !== undefined && isIPv4(bindHost) && isLoopback(ipNumber(bindHost));
    return isLoopback(ipNumber(address)) && !meant;
  }

  /** Connects and begins to register. Answers the error when there is no connection. */
  async #connect(address: string): Promise<{ code: string; text: string } | undefined> {
    const { net, log } = this.#context;
    const { masterPort, bindHost } = this.#settings;
    this.#connecting = true;
    try {
      const target = { host: address, port: masterPort, timeoutMs: CONNECT_MS, bindHost };
      await net.connect(target, (connection) => this.#begin(connection, address));
      return undefined;
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      log.warn(`master connection module: connection failed: ${error.message}`);
      return { code: 'code' in error ? String(error.code) : '', text: error.message };
    } finally {
      this.#connecting = false;
    }
  }

  #begin(connection: Connection, address: string): MasterSession {
    const generation: Generation = this.#generationCounter > 0 ? 6 : 5;
    const session = new MasterSession(this.#sessionContext, connection, generation, this.#lastTimeoutSeconds, (ended) =>
      this.#ended(ended, address),
    );
    this.#session = session;
    if (this.#stopped) session.abort();
    return session;
  }

  #ended(session: MasterSession, address: string): void {
    this.#session = undefined;
    this.#lastTimeoutSeconds = session.timeoutSeconds;
    if (session.heard) {
      this.#generationCounter = FALLBACK_AFTER;
      // The master that was there may be back in a moment: its address is tried once more.
      this.#lastAddress = address;
      return;
    }
    this.#generationCounter = this.#generationCounter > 0 ? this.#generationCounter - 1 : FALLBACK_AFTER;
    if (this.#generationCounter === 0) this.#lastAddress = address;
  }
}
