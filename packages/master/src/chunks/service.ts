import { CSTOMA_REGISTER, DecodeError } from '@alces/proto';
import type {
  Cancel,
  Clock,
  Connection,
  ConnectionHandlers,
  Listener,
  ListenOptions,
  Logger,
  Net,
} from '@alces/runtime';
import { ChunkMaster, type ChunkMasterOptions, tickMs } from './chunkMaster.ts';
import { BadMessage, Link, type LinkOwner } from './link.ts';
import { acknowledgePart, isChunkListPart } from './registration.ts';
import { handleMessage, type ListMessage, listMessages, registerList } from './serverMessages.ts';
import { maxServers } from './servers.ts';

/** Messages are worked off for so long, then others get their turn. */
const sliceMs = 5;
const betweenSlicesMs = 1;
/** Connections, registered or not. */
const maxLinks = 2 * maxServers;
/** List entries between two looks at the clock. */
const listStride = 256;
const aliveCheckMs = 200;
/** A tick that comes so late means that the master itself stood still; nobody else is to blame for silence. */
const stallMs = 1000;

export interface ChunkServerServiceOptions extends ChunkMasterOptions {
  readonly net: Net;
}

/** The chunkserver port (9420), and the ticks of the chunk side. */
export class ChunkServerService implements LinkOwner {
  readonly master: ChunkMaster;
  private readonly net: Net;
  private readonly clock: Clock;
  private readonly log: Logger;
  private readonly links = new Set<Link>();
  /** Links with frames to work off, in the order of their turns. */
  private readonly busy = new Set<Link>();
  private listener: Listener | undefined;
  private cancelTick: Cancel;
  private cancelSlice: Cancel | undefined;
  private working = false;
  private lastTickMs: number;
  private lastAliveCheckMs: number;

  constructor(options: ChunkServerServiceOptions) {
    this.master = new ChunkMaster(options);
    this.net = options.net;
    this.clock = options.clock;
    this.log = options.log;
    this.lastTickMs = this.clock.monotonicMs();
    this.lastAliveCheckMs = this.lastTickMs;
    this.cancelTick = this.clock.interval(tickMs, () => this.tick());
  }

  /** Opens the port; answers its number, which the kernel chooses when it is 0. */
  async listen(options: ListenOptions): Promise<number> {
    this.listener = await this.net.listen(options, (connection) => this.accept(connection));
    return this.listener.port;
  }

  /** The address to listen on has changed; established connections stay. */
  async relisten(options: ListenOptions): Promise<void> {
    const before = this.listener;
    await this.listen(options);
    await before?.close();
  }

  /** Ends the ticks and all connections. */
  async close(): Promise<void> {
    this.cancelTick();
    this.cancelSlice?.();
    const { listener } = this;
    this.listener = undefined;
    for (const link of this.links) link.end();
    this.links.clear();
    this.busy.clear();
    await listener?.close();
  }

  // --- links -------------------------------------------------------------------------------------------------------

  private accept(connection: Connection): ConnectionHandlers {
    if (this.links.size >= maxLinks) {
      connection.destroy();
      return { data: () => {}, close: () => {} };
    }
    const link = new Link(connection, this, this.master.settings.timeoutSeconds * 1000);
    this.links.add(link);
    return { data: (bytes) => link.received(bytes), close: () => link.connectionEnded() };
  }

  nowMs(): number {
    return this.clock.monotonicMs();
  }

  afterCommit(run: () => void): void {
    this.master.world.host.afterCommit(run);
  }

  ready(link: Link): void {
    if (!this.links.has(link)) return;
    this.busy.add(link);
    if (this.cancelSlice === undefined && !this.working) this.work();
  }

  gone(link: Link): void {
    this.links.delete(link);
    this.busy.delete(link);
    if (link.server === undefined) return;
    this.log.info(`chunkserver disconnected - ip: ${link.name}, port: ${link.server.port}`);
    this.master.serverGone(link.server);
  }

  // --- working off messages ----------------------------------------------------------------------------------------

  /** Works off what the links have received, for a slice of time. */
  private work(): void {
    const deadlineMs = this.nowMs() + sliceMs;
    this.working = true;
    for (const link of this.busy) {
      if (!this.drain(link, deadlineMs)) break;
      this.busy.delete(link);
    }
    this.working = false;
    this.master.world.host.flush();
    if (this.busy.size > 0) this.continueLater();
  }

  private continueLater(): void {
    this.cancelSlice = this.clock.timeout(betweenSlicesMs, () => {
      this.cancelSlice = undefined;
      this.work();
    });
  }

  /** True when everything that the link had was worked off, false when time is up. */
  private drain(link: Link, deadlineMs: number): boolean {
    try {
      while (!link.isClosed) {
        const frame = link.frame();
        if (frame === undefined) break;
        if (!this.handle(link, frame.type, frame.payload, deadlineMs)) {
          this.toTheEnd(link);
          return false;
        }
        if (!link.isClosed) link.finishFrame();
      }
    } catch (error) {
      if (!(error instanceof BadMessage || error instanceof DecodeError)) throw error;
      this.log.info(`chunkserver ${link.name}: ${error.message} - connection closed`);
      link.close();
    }
    if (link.hasEnded) link.close();
    return true;
  }

  /** The other links come first now. */
  private toTheEnd(link: Link): void {
    this.busy.delete(link);
    this.busy.add(link);
  }

  private handle(link: Link, type: number, payload: Buffer, deadlineMs: number): boolean {
    const list = listOf(type, payload);
    if (list === undefined) {
      handleMessage(this.master, link, type, payload);
      return true;
    }
    if (!this.handleList(link, list, payload, deadlineMs)) return false;
    if (list === registerList) acknowledgePart(link, payload);
    return true;
  }

  private handleList(link: Link, list: ListMessage, payload: Buffer, deadlineMs: number): boolean {
    const { server } = link;
    if (server === undefined) throw new BadMessage('chunk list before the registration');
    const entries = (payload.length - list.headerBytes) / list.entryBytes;
    if (!Number.isInteger(entries)) throw new BadMessage(`chunk list of ${payload.length} bytes`);
    if (list === registerList && server.registered)
      throw new BadMessage('register packet from a registered chunkserver');
    if (entries > 0) list.begin(this.master);
    while (link.progress < entries) {
      const stop = Math.min(entries, link.progress + listStride);
      for (let index = link.progress; index < stop; index++) {
        list.entry(this.master, server, payload, list.headerBytes + index * list.entryBytes);
      }
      link.progress = stop;
      if (stop < entries && this.nowMs() >= deadlineMs) return false;
    }
    return true;
  }

  // --- time --------------------------------------------------------------------------------------------------------

  private tick(): void {
    const nowMs = this.nowMs();
    const lateMs = nowMs - this.lastTickMs - tickMs;
    this.lastTickMs = nowMs;
    const stalledMs = lateMs > stallMs ? lateMs : 0;
    if (stalledMs > 0 || nowMs - this.lastAliveCheckMs >= aliveCheckMs) {
      this.lastAliveCheckMs = nowMs;
      for (const link of [...this.links]) link.checkAlive(nowMs, stalledMs);
    }
    this.master.tick();
    this.master.world.host.flush();
  }
}

function listOf(type: number, payload: Buffer): ListMessage | undefined {
  if (type === CSTOMA_REGISTER.number) return isChunkListPart(payload) ? registerList : undefined;
  return listMessages.get(type);
}
