import {
  ALCES_MSGID,
  ALCES_VERSION_STRING,
  ANTOAN_BAD_COMMAND_SIZE,
  ANTOAN_GET_VERSION,
  ANTOAN_NOP,
  ANTOAN_UNKNOWN_COMMAND,
  ANTOAN_VERSION,
  CSTOAN_CHUNK_CHECKSUM,
  CSTOMA_ALCES_STANDBY,
  CSTOMA_ALCES_SYNCED,
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
  MATOCS_ALCES_LEAD,
  MATOCS_ALCES_LEADER,
  MATOCS_ALCES_NODES,
  MATOCS_MASTER_ACK,
  packVersion,
} from '@alces/proto';
import type { Connection, ConnectionHandlers } from '@alces/runtime';
import { answerChunkQuery, isChunkQuery } from '../data/chunkQueries.ts';
import { NOP_FRAME } from '../data/nop.ts';
import { isScanned } from '../disks/folder.ts';
import { spaceTotals } from '../disks/totals.ts';
import { ipNumber } from '../net/address.ts';
import { beginFrame, challengeDigest, type Generation } from './begin.ts';
import { ChunkList } from './chunkList.ts';
import { carryOut } from './orders.ts';
import type { ReportQueue } from './reportQueue.ts';
import type { SessionContext, SessionStart } from './sessionContext.ts';

type Ack = FieldsOf<typeof MATOCS_MASTER_ACK>;

const NOP_AFTER_MS = 1000;
const SPACE_EVERY_MS = 1000;
const LOAD_EVERY_SECONDS = 5;
/** The list and the event reports go out at most this long after they were wanted. */
const REPORT_DELAY_MS = 5;
const DEFAULT_TIMEOUT_SECONDS = 10;
/** So long orders of earlier connections may take before the chunk list is made all the same. */
const ORDERS_PATIENCE_MS = 2000;
/** A leader that has not said anything for so many of its periods is given up, but not sooner than it may stand still for a moment. */
const SILENT_PINGS = 3;
const LEAST_PATIENCE_MS = 1500;
/** The stand of the protocol between chunkservers and standbys. */
const STANDBY_PROTOCOL = 1;
const LABELS_SINCE = packVersion(2, 1, 0);
const LOAD_STATUS_SINCE = packVersion(3, 0, 7);
const REBALANCE_STATUS_SINCE = packVersion(3, 0, 62);
const DISCONNECT_SINCE = packVersion(3, 0, 75);

/** `begin`: waiting for the first answer; `list`: sending the chunk list; `registered`: all sent. */
type Phase = 'begin' | 'list' | 'registered';

/**
 * One connection to the master, from BEGIN to its end (spec 30 §1.3 - §1.14). Anything malformed or unknown closes it.
 */
export class MasterSession implements ConnectionHandlers {
  readonly #context: SessionContext;
  readonly #connection: Connection;
  readonly #generation: Generation;
  readonly #whenClosed: (session: MasterSession) => void;
  #role: SessionStart['role'];
  #reports: ReportQueue;
  /** Epoch in which this master leads, 0 when it is the only one. */
  #epoch = 0;
  #pingMs = 0;
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
  readonly #startedMs: number;
  #spoken = false;
  /** Whether an ACK or a NOP came: the master is really there. */
  heard = false;

  constructor(context: SessionContext, connection: Connection, start: SessionStart) {
    this.#context = context;
    this.#connection = connection;
    this.#generation = start.generation;
    this.#role = start.role;
    this.#whenClosed = start.ended;
    this.#timeoutSeconds = context.settings().masterTimeoutSeconds || start.timeoutSeconds || DEFAULT_TIMEOUT_SECONDS;
    this.#startedMs = context.clock.monotonicMs();
    this.#lastReceivedMs = this.#startedMs;
    this.#lastSentMs = this.#startedMs;
    this.#lastLoadSlot = this.#loadSlot();
    this.#reports = start.role === 'master' ? context.reports.master : context.reports.open();
    this.#reports.wake = () => this.reportSoon();
    if (start.role === 'standby') this.#send(CSTOMA_ALCES_STANDBY.encode({ protocol: STANDBY_PROTOCOL }));
    this.#send(beginFrame(context, this.#generation, undefined));
  }

  /** Whether orders of this session's master count. */
  get leads(): boolean {
    return this.#role === 'master';
  }

  /** Epoch in which the master leads, 0 when it did not say. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Milliseconds since the connection was made without a word from the other side, 0 when there was one. */
  get waitingMs(): number {
    return this.#spoken ? 0 : this.#context.clock.monotonicMs() - this.#startedMs;
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
    this.#spoken = true;
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
    if (this.#role === 'standby') this.#context.reports.close(this.#reports);
    else this.#reports.wake = () => {};
    this.#whenClosed(this);
  }

  /** The node takes the lead: what it was not told yet, and what the master before was not told, is told now. */
  async promote(epoch: number): Promise<void> {
    const { reports, orders, clock } = this.#context;
    this.#epoch = epoch;
    await orders.whenNone(clock, ORDERS_PATIENCE_MS);
    if (!this.#open) return;
    const own = this.#reports;
    const rest = reports.master;
    while (!own.isEmpty) this.#sendReports(own);
    reports.close(own);
    own.wake = () => {};
    this.#role = 'master';
    this.#reports = rest;
    rest.wake = () => this.reportSoon();
    this.#sendReports(rest);
    this.#send(CSTOMA_SPACE.encode(spaceTotals(this.#context.store)));
    const scanned = this.#context.store.folders.every(isScanned) ? 1 : 0;
    this.#send(CSTOMA_ALCES_SYNCED.encode({ epoch, scanned }));
    if (!rest.isEmpty) this.reportSoon();
    this.#context.log.info(`master connection module: registered with the new leader, epoch ${epoch}`);
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

  /** Keep-alive, time-out, periodic reports; several times a second. `stalledMs`: this process itself stood still. */
  tick(stalledMs = 0): void {
    const nowMs = this.#context.clock.monotonicMs();
    this.#lastReceivedMs += stalledMs;
    if (nowMs - this.#lastReceivedMs > this.#patienceMs) {
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
      if (!this.isRegistered) return;
      this.#sendReports(this.#reports);
      if (!this.#reports.isEmpty) this.reportSoon();
    });
  }

  /** Silence after which the other side is given up, milliseconds. */
  get #patienceMs(): number {
    const patienceMs = this.#timeoutSeconds * 1000;
    if (this.#pingMs === 0) return patienceMs;
    return Math.min(patienceMs, Math.max(LEAST_PATIENCE_MS, this.#pingMs * SILENT_PINGS));
  }

  #send(frame: Buffer): void {
    if (!this.#open) return;
    this.#lastSentMs = this.#context.clock.monotonicMs();
    this.#context.store.counters.masterBytesOut += frame.length;
    this.#connection.write(frame);
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
      case ANTOAN_VERSION.number:
        this.#versionTold(ANTOAN_VERSION.decode(payload).text);
        return;
      case MATOCS_ALCES_NODES.number:
        this.#nodes(MATOCS_ALCES_NODES.decode(payload));
        return;
      case MATOCS_ALCES_LEAD.number:
        this.#lead(MATOCS_ALCES_LEAD.decode(payload).epoch);
        return;
      case MATOCS_ALCES_LEADER.number:
        this.#leaderIs(MATOCS_ALCES_LEADER.decode(payload));
        return;
      default:
        this.#order(type, payload);
    }
  }

  /** Only an Alces master is asked what it is; a stock one does not know of other nodes. */
  #versionTold(text: Buffer): void {
    if (this.leads && text.toString('latin1') !== ALCES_VERSION_STRING) this.#context.following([]);
  }

  #nodes({ epoch, pingMs, nodes }: FieldsOf<typeof MATOCS_ALCES_NODES>): void {
    if (!this.leads) {
      this.abort();
      return;
    }
    this.#epoch = epoch;
    this.#pingMs = epoch > 0 ? pingMs : 0;
    this.#context.following(nodes.map(({ host, port }) => ({ host: host.toString('latin1'), port })));
  }

  #lead(epoch: number): void {
    if (this.leads || !this.isRegistered || !this.#context.takesLead(this, epoch)) this.abort();
    else void this.promote(epoch);
  }

  #leaderIs({ epoch, host }: FieldsOf<typeof MATOCS_ALCES_LEADER>): void {
    if (this.leads) this.abort();
    else if (this.isRegistered) this.#context.heardOfLeader(epoch, host.toString('latin1'));
  }

  #order(type: number, payload: Buffer): void {
    const { store, jobs, reports } = this.#context;
    let answer: Promise<Buffer> | undefined;
    if (isChunkQuery(type)) answer = answerChunkQuery(store, jobs, type, payload);
    else if (this.leads)
      answer = carryOut(this.#context, type, payload, (chunkIds) =>
        reports.ordered(chunkIds, this.#open ? this.#reports : undefined),
      );
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
      if (!this.#isOurs(ack.csid, metaId)) {
        this.abort();
        return;
      }
    }
    if (this.#phase !== 'begin') return;
    if (this.leads) this.#send(ANTOAN_GET_VERSION.encode({ msgid: ALCES_MSGID }));
    this.#beginList();
  }

  /** What a node that follows says is not to be stored, and if it belongs to another instance only the connection is wrong. */
  #isOurs(chunkserverId: number, metaId: bigint): boolean {
    if (this.leads) return this.#context.identified(chunkserverId, metaId);
    const own = this.#context.identity().metaId;
    return metaId === 0n || own === 0n || metaId === own;
  }

  /** The list must show what orders of earlier connections do: they are waited for. */
  #beginList(): void {
    const { orders, clock } = this.#context;
    if (!this.leads || !orders.any) {
      this.#continueList();
      return;
    }
    void orders.whenNone(clock, ORDERS_PATIENCE_MS).then(() => {
      if (this.#open && this.#phase === 'begin') this.#continueList();
    });
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
    this.#send(beginFrame(this.#context, this.#generation, challengeDigest(challenge, authCode)));
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
    this.#sendReports(this.#reports);
    if (!this.#reports.isEmpty) this.reportSoon();
  }

  #sendReports(queue: ReportQueue): void {
    for (const frame of queue.take(this.#context.store)) this.#send(frame);
  }

  #reportSpace(nowMs: number): void {
    this.#lastSpaceMs = nowMs;
    const { store } = this.#context;
    if (this.#reports.takeSpaceChanged()) this.#send(CSTOMA_SPACE.encode(spaceTotals(store)));
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
