import { createHash } from 'node:crypto';
import {
  ANTOAN_BAD_COMMAND_SIZE,
  ANTOAN_NOP,
  ANTOAN_UNKNOWN_COMMAND,
  CSTOAN_CHUNK_CHECKSUM,
  CSTOMA_CURRENT_LOAD,
  CSTOMA_LABELS,
  CSTOMA_REGISTER,
  CSTOMA_SPACE,
  DecodeError,
  type FieldsOf,
  type Frame,
  FrameReader,
  FrameTooLong,
  Limit,
  LoadStatus,
  MATOCS_MASTER_ACK,
  packVersion,
  VERSION,
} from '@alces/proto';
import type { Clock, Connection, ConnectionHandlers } from '@alces/runtime';
import { answerChunkQuery, isChunkQuery } from '../data/chunk-queries.ts';
import { NOP_FRAME } from '../data/nop.ts';
import type { Identity } from '../disks/identity.ts';
import { spaceTotals } from '../disks/totals.ts';
import { ipNumber } from '../net/address.ts';
import { ChunkList } from './chunk-list.ts';
import { carryOut, type OrderContext } from './orders.ts';
import type { ReportQueue } from './report-queue.ts';
import type { LinkSettings } from './settings.ts';

/** What a connection to the master needs from the rest of the server. */
export interface SessionContext extends OrderContext {
  clock: Clock;
  reports: ReportQueue;
  settings(): LinkSettings;
  identity(): Identity;
  /** 3 = local rebalance in progress, as far as the master should know; undefined: none. */
  rebalanceStatus(): number | undefined;
  /** The master said who we are; false: it is the master of another instance. */
  identified(chunkserverId: number, metaId: bigint): boolean;
  /** The master sends us elsewhere; 0 = resolve the name again. */
  redirected(ip: number): void;
  log: { info(message: string): void; warn(message: string): void };
}

type Ack = FieldsOf<typeof MATOCS_MASTER_ACK>;

const NOP_AFTER_MS = 1000;
const SPACE_EVERY_MS = 1000;
const LOAD_EVERY_SECONDS = 5;
/** The list and the event reports go out at most this long after they were wanted. */
const REPORT_DELAY_MS = 5;
const DEFAULT_TIMEOUT_SECONDS = 10;
const LABELS_SINCE = packVersion(2, 1, 0);
const LOAD_STATUS_SINCE = packVersion(3, 0, 7);
const REBALANCE_STATUS_SINCE = packVersion(3, 0, 62);
const DISCONNECT_SINCE = packVersion(3, 0, 75);

/** `begin`: waiting for the first answer; `list`: sending the chunk list; `registered`: all sent. */
type Phase = 'begin' | 'list' | 'registered';

/** How the registration begins: generation 6, or 5 for masters that close on it. */
export type Generation = 5 | 6;

/**
 * One connection to the master, from BEGIN to its end (spec 30 §1.3 - §1.14). Anything malformed or unknown closes it.
 */
export class MasterSession implements ConnectionHandlers {
  readonly #context: SessionContext;
  readonly #connection: Connection;
  readonly #generation: Generation;
  readonly #whenClosed: (session: MasterSession) => void;
  readonly #reader = new FrameReader(Limit.CHUNKSERVER_FROM_MASTER);
  #phase: Phase = 'begin';
  #list: ChunkList | undefined;
  #masterVersion = 0;
  #timeoutSeconds: number;
  #lastReceivedMs: number;
  #lastSentMs: number;
  #lastSpaceMs = Number.NEGATIVE_INFINITY;
  #lastLoadSlot: number;
  #reporting = false;
  #open = true;
  /** Whether an ACK or a NOP came: the master is really there. */
  heard = false;

  constructor(
    context: SessionContext,
    connection: Connection,
    generation: Generation,
    timeoutSeconds: number,
    whenClosed: (session: MasterSession) => void,
  ) {
    this.#context = context;
    this.#connection = connection;
    this.#generation = generation;
    this.#whenClosed = whenClosed;
    this.#timeoutSeconds = context.settings().masterTimeoutSeconds || timeoutSeconds || DEFAULT_TIMEOUT_SECONDS;
    this.#lastReceivedMs = context.clock.monotonicMs();
    this.#lastSentMs = this.#lastReceivedMs;
    this.#lastLoadSlot = this.#loadSlot();
    this.#send(this.#begin(undefined));
  }

  get isRegistered(): boolean {
    return this.#open && this.#phase === 'registered';
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** Seconds without a word after which the master is given up. */
  get timeoutSeconds(): number {
    return this.#timeoutSeconds;
  }

  get masterIp(): number {
    return ipNumber(this.#connection.remoteAddress);
  }

  get masterPort(): number {
    return this.#connection.remotePort;
  }

  data(bytes: Buffer): void {
    this.#lastReceivedMs = this.#context.clock.monotonicMs();
    this.#context.store.counters.masterBytesIn += bytes.length;
    this.#reader.push(bytes);
    try {
      for (const frame of this.#reader) {
        if (!this.#open) return;
        this.#frame(frame);
      }
    } catch (error) {
      if (!(error instanceof FrameTooLong || error instanceof DecodeError)) throw error;
      this.#context.log.warn(`master connection module: ${error.message}`);
      this.abort();
    }
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#whenClosed(this);
  }

  /** Closes at once. */
  abort(): void {
    this.#connection.destroy();
    this.close();
  }

  /** Takes leave of the master if it understands that, then closes. */
  disconnect(): void {
    if (this.isRegistered && this.#masterVersion >= DISCONNECT_SINCE)
      this.#send(CSTOMA_REGISTER.encode({ layout: 'disconnect' }));
    this.#connection.end();
    this.close();
  }

  /** Keep-alive, time-out, periodic reports; several times a second. */
  tick(): void {
    const nowMs = this.#context.clock.monotonicMs();
    if (nowMs - this.#lastReceivedMs > this.#timeoutSeconds * 1000) {
      this.#context.log.warn('master connection module: connection timed out');
      this.abort();
      return;
    }
    if (this.#phase !== 'begin' && nowMs - this.#lastSpaceMs >= SPACE_EVERY_MS) this.#reportSpace(nowMs);
    if (this.isRegistered && this.#loadSlot() !== this.#lastLoadSlot) this.reportLoad();
    if (nowMs - this.#lastSentMs > NOP_AFTER_MS && this.#connection.queuedBytes === 0) this.#send(NOP_FRAME);
  }

  /** Sends the load now: every five seconds, and when the server becomes busy or stops being it. */
  reportLoad(): void {
    this.#lastLoadSlot = this.#loadSlot();
    if (!this.isRegistered) return;
    const { jobs } = this.#context;
    const status = this.#loadStatus();
    this.#send(
      CSTOMA_CURRENT_LOAD.encode(
        this.#masterVersion >= LOAD_STATUS_SINCE ? { load: jobs.active, status } : { load: jobs.active },
      ),
    );
  }

  sendLabels(): void {
    if (this.#phase !== 'begin' && this.#masterVersion >= LABELS_SINCE)
      this.#send(CSTOMA_LABELS.encode({ labelMask: this.#context.settings().labelMask }));
  }

  /** There is something in the report queue. */
  reportSoon(): void {
    if (this.#reporting || !this.isRegistered) return;
    this.#reporting = true;
    this.#context.clock.timeout(REPORT_DELAY_MS, () => {
      this.#reporting = false;
      if (this.isRegistered) this.#sendReports();
    });
  }

  #send(frame: Buffer): void {
    if (!this.#open) return;
    this.#lastSentMs = this.#context.clock.monotonicMs();
    this.#context.store.counters.masterBytesOut += frame.length;
    this.#connection.write(frame);
  }

  #begin(digest: Buffer | undefined): Buffer {
    const { settings, identity, store } = this.#context;
    const { masterTimeoutSeconds, listenHost, listenPort } = settings();
    const address = { version: VERSION, ip: ipNumber(listenHost), port: listenPort };
    if (this.#generation === 5)
      return CSTOMA_REGISTER.encode({
        layout: 'begin50',
        ...address,
        timeout: masterTimeoutSeconds || DEFAULT_TIMEOUT_SECONDS,
      });
    const csid = identity().chunkserverId;
    const fields = { ...address, timeout: masterTimeoutSeconds, csid, ...spaceTotals(store) };
    return CSTOMA_REGISTER.encode(digest ? { layout: 'beginAuth', digest, ...fields } : { layout: 'begin', ...fields });
  }

  #frame({ type, payload }: Frame): void {
    switch (type) {
      case ANTOAN_NOP.number:
        this.heard = true;
        return;
      case ANTOAN_UNKNOWN_COMMAND.number:
      case ANTOAN_BAD_COMMAND_SIZE.number:
        return;
      case CSTOAN_CHUNK_CHECKSUM.number:
        this.#context.log.info('master connection module: checksum received from the master');
        return;
      case MATOCS_MASTER_ACK.number:
        this.heard = true;
        this.#ack(MATOCS_MASTER_ACK.decode(payload));
        return;
      default:
        this.#order(type, payload);
    }
  }

  #order(type: number, payload: Buffer): void {
    const { store, jobs } = this.#context;
    const answer = isChunkQuery(type)
      ? answerChunkQuery(store, jobs, type, payload)
      : carryOut(this.#context, type, payload);
    if (!answer) {
      this.#context.log.warn(`master connection module: got unknown message (type:${type})`);
      this.abort();
      return;
    }
    // After the end of this connection nobody wants the answer.
    void answer.then((frame) => this.#send(frame));
  }

  #ack(ack: Ack): void {
    switch (ack.layout) {
      case 'next':
        this.#continueList();
        return;
      case 'accepted':
      case 'accepted9':
      case 'accepted5':
        this.#accepted(ack);
        return;
      case 'challenge':
        this.#challenged(ack.challenge);
        return;
      case 'wait':
      case 'wait7':
        this.#masterVersion = ack.version;
        this.#takeTimeout(ack.timeout);
        return;
      case 'redirect':
        this.#context.redirected(ack.ip);
        this.abort();
    }
  }

  #accepted(ack: Extract<Ack, { layout: 'accepted' | 'accepted9' | 'accepted5' }>): void {
    this.#masterVersion = ack.version;
    if (ack.layout !== 'accepted5') {
      this.#takeTimeout(ack.timeout);
      const metaId = ack.layout === 'accepted' ? ack.metaId : 0n;
      if (!this.#context.identified(ack.csid, metaId)) {
        this.abort();
        return;
      }
    }
    this.#continueList();
  }

  #takeTimeout(seconds: number): void {
    if (this.#context.settings().masterTimeoutSeconds === 0 && seconds > 0) this.#timeoutSeconds = seconds;
  }

  #challenged(challenge: Buffer): void {
    const { authCode } = this.#context.settings();
    if (authCode === undefined) {
      this.#context.log.warn('master connection module: master needs authorization, but AUTH_CODE is not defined');
      this.abort();
      return;
    }
    const digest = createHash('md5')
      .update(challenge.subarray(0, 16))
      .update(Buffer.from(authCode, 'latin1'))
      .update(challenge.subarray(16))
      .digest();
    this.#send(this.#begin(digest));
  }

  #continueList(): void {
    if (this.#phase === 'registered') return;
    if (this.#phase === 'begin') {
      this.#phase = 'list';
      const { store, settings } = this.#context;
      this.#list = new ChunkList(store, settings().chunksPerRegisterPacket);
      this.sendLabels();
    }
    const part = this.#list?.next();
    if (part) {
      this.#send(part);
      return;
    }
    this.#list = undefined;
    this.#phase = 'registered';
    this.#send(CSTOMA_REGISTER.encode({ layout: 'end' }));
    this.#context.log.info('master connection module: registered');
    this.#sendReports();
  }

  #sendReports(): void {
    for (const frame of this.#context.reports.take(this.#context.store)) this.#send(frame);
  }

  #reportSpace(nowMs: number): void {
    this.#lastSpaceMs = nowMs;
    const { reports, store } = this.#context;
    if (reports.takeSpaceChanged()) this.#send(CSTOMA_SPACE.encode(spaceTotals(store)));
  }

  #loadSlot(): number {
    return Math.floor(this.#context.clock.wallMs() / 1000 / LOAD_EVERY_SECONDS);
  }

  #loadStatus(): number {
    const { jobs, rebalanceStatus } = this.#context;
    const rebalance = rebalanceStatus();
    if (jobs.isBusy || rebalance === undefined) return jobs.loadStatus;
    return this.#masterVersion >= REBALANCE_STATUS_SINCE ? rebalance : LoadStatus.OVERLOADED;
  }
}
