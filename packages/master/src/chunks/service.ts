import { CSTOMA_REGISTER, MATOCS_ALCES_LEAD } from '@alces/proto';
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
import { type ListMessage, workOffList } from './lists.ts';
import { acknowledgePart, isChunkListPart } from './registration.ts';
import { handleMessage, listMessages, registerList, type ServerLists } from './serverMessages.ts';
import { maxServers } from './servers.ts';
import type { StandbyHandover } from './standby/service.ts';
import { TakenOver } from './standby/takenOver.ts';
import { LinkTurns } from './turns.ts';

/** Connections, registered or not. */
const maxLinks = 2 * maxServers;
const aliveCheckMs = 200;
/** A tick that comes so late means that the master itself stood still; nobody else is to blame for silence. */
const stallMs = 1000;

/** A network of which its user can be cut off. Connections that were made outside before are taken into it. */
export interface AdoptingNet extends Net {
  adopt(connection: Connection, attach: (connection: Connection) => ConnectionHandlers): ConnectionHandlers;
}

function canAdopt(net: Net): net is AdoptingNet {
  return 'adopt' in net;
}

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
  private readonly turns: LinkTurns;
  private readonly takenOver: TakenOver;
  private listener: Listener | undefined;
  private cancelTick: Cancel;
  private lastTickMs: number;
  private lastAliveCheckMs: number;

  constructor(options: ChunkServerServiceOptions) {
    this.master = new ChunkMaster(options);
    this.net = options.net;
    this.clock = options.clock;
    this.log = options.log;
    this.turns = new LinkTurns({
      clock: this.clock,
      log: this.log,
      handle: (link, type, payload, deadlineMs) => this.handle(link, type, payload, deadlineMs),
      done: () => this.master.world.host.flush(),
    });
    this.takenOver = new TakenOver(this.master);
    this.lastTickMs = this.clock.monotonicMs();
    this.lastAliveCheckMs = this.lastTickMs;
    this.cancelTick = this.clock.interval(tickMs, () => this.tick());
  }

  /** Opens the port; answers its number, which the kernel chooses when it is 0. */
  async listen(options: ListenOptions): Promise<number> {
    this.listener = await this.net.listen(options, (connection) => this.accept(connection));
    return this.listener.port;
  }

  /** Takes over the connections of the time of following: their chunkservers are told who leads. */
  takeOver({ links }: StandbyHandover): void {
    for (const { link, deliverTo } of links) {
      if (link.isClosed) continue;
      this.links.add(link);
      const attach = (connection: Connection) => {
        link.handOver(this, connection);
        return link.handlers;
      };
      deliverTo(canAdopt(this.net) ? this.net.adopt(link.connection, attach) : attach(link.connection));
      link.send(MATOCS_ALCES_LEAD.encode({ epoch: this.master.cluster.epoch }));
    }
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
    this.turns.stop();
    const { listener } = this;
    this.listener = undefined;
    for (const link of this.links) link.end();
    this.links.clear();
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
    return link.handlers;
  }

  nowMs(): number {
    return this.clock.monotonicMs();
  }

  afterCommit(run: () => void): void {
    this.master.world.host.afterCommit(run);
  }

  ready(link: Link): void {
    if (this.links.has(link)) this.turns.ready(link);
  }

  gone(link: Link): void {
    this.links.delete(link);
    this.turns.forget(link);
    if (link.server === undefined) return;
    this.log.info(`chunkserver disconnected - ip: ${link.name}, port: ${link.server.port}`);
    this.master.serverGone(link.server);
  }

  // --- working off messages ----------------------------------------------------------------------------------------

  private handle(link: Link, type: number, payload: Buffer, deadlineMs: number): boolean {
    if (link.standby !== undefined) return this.takenOver.handle(link, type, payload, deadlineMs);
    const list = listOf(type, payload);
    if (list === undefined) {
      handleMessage(this.master, link, type, payload);
      return true;
    }
    const { server } = link;
    if (server === undefined) throw new BadMessage('chunk list before the registration');
    if (list === registerList && server.registered)
      throw new BadMessage('register packet from a registered chunkserver');
    const { master } = this;
    const timeIsUp = () => this.nowMs() >= deadlineMs;
    if (!workOffList(list, { master, server }, link, payload, timeIsUp)) return false;
    if (list === registerList) acknowledgePart(link, payload);
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

function listOf(type: number, payload: Buffer): ListMessage<ServerLists> | undefined {
  if (type === CSTOMA_REGISTER.number) return isChunkListPart(payload) ? registerList : undefined;
  return listMessages.get(type);
}
