import { MATOCS_ALCES_LEADER } from '@alces/proto';
import type {
  Cancel,
  Clock,
  Connection,
  ConnectionHandlers,
  Listener,
  ListenOptions,
  Logger,
  Net,
  Random,
} from '@alces/runtime';
import { formatAddress } from '../../exports/network.ts';
import { Link, type LinkOwner } from '../link.ts';
import { maxServers } from '../servers.ts';
import { LinkTurns } from '../turns.ts';
import { type StandbyContext, type StandbySettings, standbyMessage } from './messages.ts';

const ALIVE_CHECK_MS = 200;
/** A check that comes so late means that this process itself stood still. */
const STALL_MS = 1000;
/** About 1.3 GB. */
const DEFAULT_MAX_LOCATIONS = 64_000_000;

export interface StandbyOptions {
  readonly clock: Clock;
  readonly net: Net;
  readonly random: Random;
  readonly log: Logger;
  /** As `mfsmaster.cfg` has them now (`chunkSettings`). */
  settings(): StandbySettings;
  /** The id of the file system that is followed; 0: not known yet. */
  metaId(): bigint;
  /** The next chunk id of the state that follows. */
  nextChunkId(): number;
  /** Chunks of all servers together that are taken note of at most. */
  readonly maxLocations?: number;
}

/** A connection of a chunkserver, with what the server reported, on its way from following to leading. */
export interface HandedLink {
  readonly link: Link;
  /** Who gets what the connection delivers from now on. */
  deliverTo(handlers: ConnectionHandlers): void;
}

export interface StandbyHandover {
  readonly links: readonly HandedLink[];
}

/** The port of a node that follows (9427): Alces chunkservers tell it what they have, so that it can lead at once. */
export interface StandbyChunkservers {
  /** Opens the port; answers its number. It stays open while the node leads, and refuses connections then. */
  listen(options: ListenOptions): Promise<number>;
  /** This node leads from now on: its chunk service gets all that is known (`MasterOptions.cluster.standby`). Synchronous. */
  takeOver(): StandbyHandover;
  /** This node follows again: chunkservers may register. */
  resume(): void;
  /** Another node leads: chunkservers that are registered here, or will be, are told where. */
  leaderIs(epoch: number, host: string): void;
  /** For the status: registered servers and the copies they reported. */
  readonly figures: { readonly servers: number; readonly copies: number; readonly memoryBytes: number };
  close(): Promise<void>;
}

/** Where a connection delivers to at the moment. */
interface Door {
  handlers: ConnectionHandlers;
}

class Standby implements StandbyChunkservers, LinkOwner {
  private readonly options: StandbyOptions;
  private readonly context: StandbyContext;
  private readonly turns: LinkTurns;
  /** With each link, where its connection delivers to. */
  private readonly links = new Map<Link, Door>();
  /** Links that a master of this node has. */
  private handed: readonly Link[] = [];
  private listener: Listener | undefined;
  private following = true;
  /** What chunkservers are told about the leader. */
  private leader: Buffer | undefined;
  /** Copies of all servers, counted a few times a second and at most one frame out of date. */
  private locations = 0;
  private lastCheckMs: number;
  private readonly cancelCheck: Cancel;

  constructor(options: StandbyOptions) {
    const { clock, log, random } = options;
    this.options = options;
    this.context = {
      clock,
      random,
      settings: options.settings,
      metaId: options.metaId,
      nextChunkId: options.nextChunkId,
      room: () => (options.maxLocations ?? DEFAULT_MAX_LOCATIONS) - this.locations,
    };
    this.turns = new LinkTurns({
      clock,
      log,
      handle: (link, type, payload, deadlineMs) => this.handle(link, type, payload, deadlineMs),
      done: () => {},
    });
    this.lastCheckMs = clock.monotonicMs();
    this.cancelCheck = clock.interval(ALIVE_CHECK_MS, () => this.checkAlive());
  }

  async listen(options: ListenOptions): Promise<number> {
    this.listener = await this.options.net.listen(options, (connection) => this.accept(connection));
    return this.listener.port;
  }

  leaderIs(epoch: number, host: string): void {
    this.leader = MATOCS_ALCES_LEADER.encode({ epoch, host: Buffer.from(host) });
    for (const link of this.links.keys()) if (link.standby?.completeAtMs !== undefined) link.send(this.leader);
  }

  takeOver(): StandbyHandover {
    this.following = false;
    this.leader = undefined;
    const handed: HandedLink[] = [];
    for (const [link, door] of [...this.links]) {
      if (link.standby?.completeAtMs === undefined) {
        link.close();
        continue;
      }
      this.turns.forget(link);
      handed.push({
        link,
        deliverTo(handlers) {
          door.handlers = handlers;
        },
      });
    }
    this.links.clear();
    this.handed = handed.map(({ link }) => link);
    this.locations = 0;
    return { links: handed };
  }

  resume(): void {
    // Those that the master did not close itself must register again, too.
    for (const link of this.handed) link.end();
    this.handed = [];
    this.following = true;
  }

  get figures(): StandbyChunkservers['figures'] {
    const servers = [...this.links.keys()].flatMap(({ standby }) => standby ?? []);
    return {
      servers: servers.filter(({ completeAtMs }) => completeAtMs !== undefined).length,
      copies: servers.reduce((sum, { locations }) => sum + locations.count, 0),
      memoryBytes: servers.reduce((sum, { locations }) => sum + locations.byteLength, 0),
    };
  }

  async close(): Promise<void> {
    this.following = false;
    this.cancelCheck();
    this.turns.stop();
    for (const link of [...this.links.keys(), ...this.handed]) link.end();
    this.links.clear();
    await this.listener?.close();
  }

  // --- owner of the links ------------------------------------------------------------------------------------------

  nowMs(): number {
    return this.options.clock.monotonicMs();
  }

  /** Nothing that is said here depends on the journal. */
  afterCommit(run: () => void): void {
    run();
  }

  ready(link: Link): void {
    if (this.links.has(link)) this.turns.ready(link);
  }

  gone(link: Link): void {
    this.links.delete(link);
    this.turns.forget(link);
    this.locations -= link.standby?.locations.count ?? 0;
  }

  private accept(connection: Connection): ConnectionHandlers {
    if (!this.following || this.links.size >= maxServers) {
      connection.destroy();
      return { data: () => {}, close: () => {} };
    }
    const link = new Link(connection, this, this.options.settings().timeoutSeconds * 1000);
    const door: Door = { handlers: link.handlers };
    this.links.set(link, door);
    return {
      data: (bytes) => door.handlers.data(bytes),
      drain: () => door.handlers.drain?.(),
      close: (error) => door.handlers.close(error),
    };
  }

  private handle(link: Link, type: number, payload: Buffer, deadlineMs: number): boolean {
    const before = link.standby?.locations.count ?? 0;
    const wasComplete = link.standby?.completeAtMs !== undefined;
    const done = standbyMessage(this.context, link, type, payload, deadlineMs);
    if (!this.links.has(link)) return done;
    this.locations += (link.standby?.locations.count ?? 0) - before;
    if (!wasComplete && link.standby?.completeAtMs !== undefined) this.registered(link);
    return done;
  }

  private registered(link: Link): void {
    const { ip, port, locations } = link.standby!;
    // Only one connection of a server can be up to date, and that is the latest.
    for (const other of [...this.links.keys()]) {
      if (other !== link && other.standby?.ip === ip && other.standby.port === port) other.close();
    }
    if (this.leader !== undefined) link.send(this.leader);
    this.options.log.info(`standby: chunkserver ${formatAddress(ip)}:${port} registered, ${locations.count} chunks`);
  }

  private checkAlive(): void {
    const nowMs = this.nowMs();
    const lateMs = nowMs - this.lastCheckMs - ALIVE_CHECK_MS;
    this.lastCheckMs = nowMs;
    for (const link of [...this.links.keys()]) link.checkAlive(nowMs, lateMs > STALL_MS ? lateMs : 0);
  }
}

/** The standby side of a node that follows. The port is not open yet. */
export function createStandbyChunkservers(options: StandbyOptions): StandbyChunkservers {
  return new Standby(options);
}
