import { type Frame, FrameReader, FrameTooLong } from '@alces/proto';
import type { Cancel, Clock, Connection, ConnectionHandlers } from '@alces/runtime';
import { addressNumber, formatAddress } from '../exports/network.ts';
import type { ChunkServer, ServerLink } from './servers.ts';
import type { StandbyServer } from './standby/server.ts';

/** Greatest payload from a registered chunkserver, and from a stranger (spec 00 §1.3). */
const registeredLimitBytes = 500_000_000;
const strangerLimitBytes = 10_000;
/** From a chunkserver to a node that follows: the longest part of a chunk list is 1.2 MB. */
const standbyLimitBytes = 4 << 20;
/** So many frames are taken from the stream at a time. */
const maxWaitingFrames = 1000;
/** Reading stops while frames wait and so many bytes came behind them. */
const maxBacklogBytes = 4 << 20;
/** A chunkserver that does not take its commands is as good as dead. */
const maxQueuedBytes = 64 << 20;

const nop = Buffer.alloc(8);

/** A message that this peer must not send here, or not in this form: the connection is closed (spec 30 §1.2). */
export class BadMessage extends Error {}

/** What a link needs of the service around it. */
export interface LinkOwner {
  nowMs(): number;
  afterCommit(run: () => void): void;
  /** The link has frames to work off. */
  ready(link: Link): void;
  /** The connection has ended and its last frame was worked off. Called once. */
  gone(link: Link): void;
}

/** A connection from a chunkserver: framing, keep-alive, and the frames that wait for their turn. */
export class Link implements ServerLink {
  connection: Connection;
  readonly peerAddress: number;
  /** Set when BEGIN was accepted. */
  server: ChunkServer | undefined;
  /** What is known of a chunkserver that is registered with a node that follows. */
  standby: StandbyServer | undefined;
  /** The other side is of Alces. */
  isAlces = false;
  /** How often something is to be said, when that is more often than the time-out demands. */
  pingMs = Number.POSITIVE_INFINITY;
  /** Bytes given out by the last demand for authorization. */
  challenge: Buffer | undefined;
  timeoutMs: number;
  /** Entries of the first waiting frame that were worked off already. */
  progress = 0;
  private owner: LinkOwner;
  private readonly reader: FrameReader;
  private readonly waiting: Frame[] = [];
  /** Bytes received since the stream was last empty of frames. */
  private backlogBytes = 0;
  private lastReadMs: number;
  private lastWriteMs: number;
  private acknowledged = false;
  private cancelLater: Cancel | undefined;
  private ended = false;
  private closed = false;
  private paused = false;

  constructor(connection: Connection, owner: LinkOwner, timeoutMs: number) {
    this.connection = connection;
    this.owner = owner;
    this.peerAddress = addressNumber(connection.remoteAddress);
    this.timeoutMs = timeoutMs;
    this.lastReadMs = owner.nowMs();
    this.lastWriteMs = this.lastReadMs;
    this.reader = new FrameReader(() => this.limitBytes());
  }

  get name(): string {
    return formatAddress(this.peerAddress);
  }

  /** BEGIN was accepted. */
  private get isKnown(): boolean {
    return this.server !== undefined || this.standby !== undefined;
  }

  private limitBytes(): number {
    if (this.server !== undefined) return registeredLimitBytes;
    return this.standby !== undefined ? standbyLimitBytes : strangerLimitBytes;
  }

  /** Takes what the connection delivers. */
  get handlers(): ConnectionHandlers {
    return { data: (bytes) => this.received(bytes), close: () => this.connectionEnded() };
  }

  /**
   * Somebody else looks after the link from now on, over the connection as it is for them. What waits stays; the new owner is
   * told that there may be frames.
   */
  handOver(owner: LinkOwner, connection: Connection): void {
    this.owner = owner;
    this.connection = connection;
    this.owner.ready(this);
  }

  /** Queues a frame; it leaves when the journal has what it speaks of. */
  send(frame: Buffer): void {
    this.owner.afterCommit(() => {
      if (this.closed || this.ended) return;
      this.acknowledged = true;
      this.lastWriteMs = this.owner.nowMs();
      this.connection.write(frame);
    });
  }

  /** Sends the answer to BEGIN after a while (`UnansweredCommands.takeWaitMs`). */
  sendLater(frame: Buffer, clock: Clock, delayMs: number): void {
    this.cancelLater = clock.timeout(delayMs, () => this.send(frame));
  }

  /** Closes at once; what waits is thrown away. */
  close(): void {
    if (this.closed) return;
    this.end();
    this.owner.gone(this);
  }

  /** As `close`, when nobody needs to know. */
  end(): void {
    this.closed = true;
    this.waiting.length = 0;
    this.cancelLater?.();
    this.connection.destroy();
  }

  // --- incoming ----------------------------------------------------------------------------------------------------

  received(bytes: Buffer): void {
    if (this.closed) return;
    this.lastReadMs = this.owner.nowMs();
    this.reader.push(bytes);
    this.backlogBytes += bytes.length;
    this.owner.ready(this);
    if (this.waiting.length > 0 && this.backlogBytes > maxBacklogBytes && !this.paused) {
      this.paused = true;
      this.connection.pause();
    }
  }

  /** The peer closed, or the connection broke: frames that came before are worked off, then the link is gone. */
  connectionEnded(): void {
    this.ended = true;
    this.owner.ready(this);
  }

  /** The frame to be worked off now; it stays until `finishFrame`. */
  frame(): Frame | undefined {
    if (this.waiting.length === 0) this.takeFrames();
    return this.waiting[0];
  }

  finishFrame(): void {
    this.waiting.shift();
    this.progress = 0;
    if (this.waiting.length > 0) return;
    if (this.paused) this.connection.resume();
    this.paused = false;
  }

  get isClosed(): boolean {
    return this.closed;
  }

  /** Nothing more will come: the link can be closed when no frame waits. */
  get hasEnded(): boolean {
    return this.ended;
  }

  private takeFrames(): void {
    try {
      while (this.waiting.length < maxWaitingFrames) {
        const frame = this.reader.next();
        if (frame === undefined) {
          this.backlogBytes = 0;
          return;
        }
        this.waiting.push(frame);
        if (!this.isKnown) return;
      }
    } catch (error) {
      if (!(error instanceof FrameTooLong)) throw error;
      if (this.waiting.length === 0) throw new BadMessage(error.message);
    }
  }

  // --- keep-alive --------------------------------------------------------------------------------------------------

  /** Sends a NOP when it is time, closes when the peer was silent for too long. `stallMs`: the master itself stood still. */
  checkAlive(nowMs: number, stallMs: number): void {
    if (this.closed || this.ended) return;
    this.lastReadMs += stallMs;
    if (this.waiting.length > 0) this.lastReadMs = nowMs;
    if (nowMs - this.lastReadMs > this.timeoutMs || this.connection.queuedBytes > maxQueuedBytes) {
      this.close();
    } else if (this.acknowledged && nowMs - this.lastWriteMs > Math.min(this.timeoutMs / 3, this.pingMs)) {
      if (this.connection.queuedBytes === 0) this.connection.write(nop);
      this.lastWriteMs = nowMs;
    }
  }
}
