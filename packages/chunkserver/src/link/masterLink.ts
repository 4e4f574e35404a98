import { isIPv4 } from 'node:net';
import {
  type Cancel,
  type Connection,
  type ConnectionHandlers,
  type Net,
  type Random,
  resolveHost,
} from '@alces/runtime';
import { ipNumber, ipText, isLoopback } from '../net/address.ts';
import { Attempts } from './attempts.ts';
import { OrdersUnderWay } from './ordersUnderWay.ts';
import { MasterSession } from './session.ts';
import type { SessionContext } from './sessionContext.ts';
import { type LinkSettings, needsReconnect } from './settings.ts';
import { StandbyLinks } from './standbyLinks.ts';

/** The link to the master: connecting, trying again, following the configuration (spec 30 §1.4). */

const CONNECT_MS = 1000;
const TICK_MS = 200;
/** A tick that comes so late means that this process stood still; what peers said meanwhile was not read yet. */
const STALL_MS = 300;
const FALLBACK_AFTER = 3;
/** After the loss of a master that was there attempts follow each other quickly for so long. */
const FAST_MS = 30_000;
/** A connection that was closed without a word is not tried again before. */
const REFUSED_PAUSE_MS = 300;
/** While attempts are fast, a master that accepts a connection and says nothing in this time is given up. */
const WORDLESS_MS = 1000;
/** A new leader that knows this server has told it so by then; others have to be asked. */
const LEADER_WORD_MS = 50;

/** The first attempt cannot succeed with this configuration: the server must not start. */
export class MasterUnreachable extends Error {
  constructor(reason: string) {
    super(`master connection module: ${reason}`);
    this.name = 'MasterUnreachable';
  }
}

export interface LinkContext
  extends Omit<SessionContext, 'settings' | 'redirected' | 'following' | 'takesLead' | 'heardOfLeader' | 'orders'> {
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
  #lastTickMs: number;
  readonly #standbys: StandbyLinks;
  readonly #attempts: Attempts;
  /** Monotonic time until which attempts are to be fast. */
  #fastUntilMs = 0;
  /** The host of the present connection, and the one that accepts connections and says nothing. */
  #host = '';
  #wordlessHost: string | undefined;
  /** Where the newest leader is, as far as nodes that follow have told. */
  #leader: { epoch: number; host: string } | undefined;
  #cancelDoubt: Cancel = () => {};
  /** Which of several hosts is tried next by an attempt of the grid. */
  #turn = 0;

  constructor(context: LinkContext, settings: LinkSettings) {
    this.#context = context;
    this.#settings = settings;
    this.#lastTickMs = context.clock.monotonicMs();
    this.#gridOffset = context.random.below(Math.max(1, settings.reconnectionDelaySeconds));
    this.#sessionContext = {
      ...context,
      settings: () => this.#settings,
      redirected: (ip) => {
        this.#addressOnce = ip === 0 ? undefined : ipText(ip);
      },
      following: (nodes) => this.#standbys.follow(nodes),
      takesLead: (session, epoch) => this.#takesLead(session, epoch),
      heardOfLeader: (epoch, host) => this.#heardOfLeader(epoch, host),
      orders: new OrdersUnderWay(),
    };
    this.#standbys = new StandbyLinks(this.#sessionContext, context.net, (session, host) => this.#ended(session, host));
    this.#attempts = new Attempts({
      clock: context.clock,
      net: context.net,
      target: () => ({
        hosts: this.#hosts(this.#leader?.host),
        port: this.#settings.masterPort,
        bindHost: this.#settings.bindHost,
      }),
      isUseless: (address) => this.#isUselessLoopback(address),
      connected: (connection, host) => this.#begin(connection, connection.remoteAddress, host),
    });
    this.#cancelTick = context.clock.interval(TICK_MS, () => this.#tick());
  }

  get isRegistered(): boolean {
    return this.#session?.isRegistered ?? false;
  }

  /** Address of the master we are registered with, zeros when we are not. */
  get master(): { ip: number; port: number } {
    const session = this.#session;
    return session?.isRegistered ? { ip: session.masterIp, port: session.masterPort } : { ip: 0, port: 0 };
  }

  /** The hosts to try; one that has kept silent comes last, alone it is tried all the same. */
  #hosts(leader?: string): string[] {
    const hosts = [...new Set([...(leader === undefined ? [] : [leader]), ...masterHosts(this.#settings.masterHost)])];
    const others = hosts.filter((host) => host !== this.#wordlessHost);
    return others.length > 0 ? others : hosts;
  }

  #tick(): void {
    const session = this.#session;
    const lateMs = this.#nowMs - this.#lastTickMs - TICK_MS;
    this.#lastTickMs = this.#nowMs;
    const stalledMs = lateMs > STALL_MS ? lateMs : 0;
    session?.tick(stalledMs);
    for (const standby of this.#standbys.sessions) standby.tick(stalledMs);
    if (!session || stalledMs > 0 || session.waitingMs < WORDLESS_MS || this.#nowMs >= this.#fastUntilMs) return;
    this.#wordlessHost = this.#host;
    session.abort();
  }

  get #nowMs(): number {
    return this.#context.clock.monotonicMs();
  }

  /** A node that followed leads now: its orders count, those of the master before do not any more. */
  #takesLead(session: MasterSession, epoch: number): boolean {
    const before = this.#session;
    if (this.#stopped || (before?.isRegistered && before.epoch >= epoch)) return false;
    this.#attempts.stop();
    this.#standbys.release(session);
    this.#session = session;
    before?.abort();
    return true;
  }

  /**
   * A leader in an older epoch than one that others have heard of may hang with its connections open. Nothing is decided by hearsay but
   * whom to ask: who has the lead shows in the registration.
   */
  #heardOfLeader(epoch: number, host: string): void {
    if (!isIPv4(host) || (this.#leader !== undefined && this.#leader.epoch >= epoch)) return;
    this.#leader = { epoch, host };
    this.#cancelDoubt();
    this.#cancelDoubt = this.#context.clock.timeout(LEADER_WORD_MS, () => {
      const session = this.#session;
      if (session !== undefined && session.epoch > 0 && session.epoch < epoch) session.abort();
    });
  }

  /** Makes the first attempt. Rejects with MasterUnreachable when no later one can be expected to do better. */
  async start(): Promise<void> {
    if (masterHosts(this.#settings.masterHost).length > 1) {
      // One of them leads, or will soon.
      this.#fastUntilMs = this.#nowMs + FAST_MS;
      this.#tryFast(0);
      this.#scheduleAttempt();
      return;
    }
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

  /** The load status changed. */
  reportLoad(): void {
    this.#session?.reportLoad();
    for (const standby of this.#standbys.sessions) standby.reportLoad();
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
        this.#standbys.restart();
        // Not the address of before, even if the name is still the same.
        this.#lastAddress = undefined;
      } else if (labelsChanged) {
        session.sendLabels();
        for (const standby of this.#standbys.sessions) standby.sendLabels();
      }
    }
    this.#scheduleAttempt();
  }

  /** Takes leave of the master. */
  stop(): void {
    this.#stopped = true;
    this.#cancelAttempt();
    this.#cancelDoubt();
    this.#cancelTick();
    this.#attempts.stop();
    this.#standbys.stop();
    this.#session?.disconnect();
  }

  async #resolve(): Promise<string> {
    const hosts = this.#hosts();
    const host = hosts[this.#turn++ % hosts.length];
    return isIPv4(host) ? host : resolveHost(host);
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
      await net.connect(target, (connection) => this.#begin(connection, address, address));
      return undefined;
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      log.warn(`master connection module: connection failed: ${error.message}`);
      return { code: 'code' in error ? String(error.code) : '', text: error.message };
    } finally {
      this.#connecting = false;
    }
  }

  #begin(connection: Connection, address: string, host: string): ConnectionHandlers {
    if (this.#session || this.#stopped) {
      // Another attempt was faster.
      connection.destroy();
      return { data: () => {}, close: () => {} };
    }
    this.#attempts.stop();
    this.#host = host;
    const session = new MasterSession(this.#sessionContext, connection, {
      role: 'master',
      generation: this.#generationCounter > 0 ? 6 : 5,
      timeoutSeconds: this.#lastTimeoutSeconds,
      ended: (ended) => this.#ended(ended, address),
    });
    this.#session = session;
    return session;
  }

  #ended(session: MasterSession, address: string): void {
    // A later leader may have taken its place already.
    if (this.#session !== session) return;
    this.#session = undefined;
    this.#lastTimeoutSeconds = session.timeoutSeconds;
    if (session.heard) {
      this.#generationCounter = FALLBACK_AFTER;
      this.#wordlessHost = undefined;
      // The master that was there may be back in a moment: its address is tried once more.
      this.#lastAddress = address;
      this.#fastUntilMs = this.#nowMs + FAST_MS;
      this.#tryFast(0);
      return;
    }
    this.#generationCounter = this.#generationCounter > 0 ? this.#generationCounter - 1 : FALLBACK_AFTER;
    if (this.#generationCounter === 0) this.#lastAddress = address;
    this.#tryFast(REFUSED_PAUSE_MS);
  }

  #tryFast(afterMs: number): void {
    const leftMs = this.#fastUntilMs - this.#nowMs;
    if (leftMs > 0 && !this.#stopped) this.#attempts.start(leftMs, afterMs);
  }
}

/** The hosts in the value of MASTER_HOST: one, or several that take turns in leading. */
export function masterHosts(value: string): string[] {
  const hosts = value
    .split(',')
    .map((host) => host.trim())
    .filter(Boolean);
  return hosts.length > 0 ? hosts : [value];
}
