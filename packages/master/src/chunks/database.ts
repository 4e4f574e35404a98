import { Status } from '@alces/proto';
import type { ChunkServiceHost } from './api.ts';
import type { ChunkSettings } from './settings.ts';
import type { ServerEntries, ServerEntry } from './views.ts';

/** What the master knows of a server of the database beside the metadata; lost at a restart. */
interface Presence {
  connected: boolean;
  disconnectedAt: number;
  heavyLoadAt: number;
  load: number;
}

/** Ids are u16; more servers than that are not taken in. */
const maxEntries = 65535;

export const Maintenance = { off: 0, on: 1, temporary: 2 } as const;

type Commit = ChunkServiceHost['commit'];
type Away = 'nobody' | 'in maintenance' | 'lost';
type Address = { readonly ip: number; readonly port: number };

/**
 * The chunkserver database (spec 40 §13): entries live in the metadata and change by CSDBOP; presence and load are kept here.
 */
export class ServerDatabase {
  private readonly entries: ServerEntries;
  private readonly commit: Commit;
  private readonly startedAt: number;
  /** Kept until somebody comes or goes: it is asked for every chunk. */
  private away: Away | undefined;
  private readonly presences = new Map<string, Presence>();

  /** `startedAt`: unix time from which servers count as disconnected after a start. */
  constructor(entries: ServerEntries, commit: Commit, startedAt: number) {
    this.entries = entries;
    this.commit = commit;
    this.startedAt = startedAt;
  }

  /**
   * A server registers (spec 40 §13.2). Returns its entry, connected from now on, or undefined when the entry belongs to a server
   * that is connected already, or the database is full. `wantsId`: the acknowledgement carries an id, so an entry without one gets one.
   */
  connect(ip: number, port: number, csid: number, wantsId: boolean): ServerEntry | undefined {
    const owner = csid === 0 ? undefined : this.entries.byId(csid);
    const here = this.entries.byAddress(ip, port);
    if (here !== undefined) {
      if (this.isConnected(here)) return undefined;
    } else if (owner !== undefined && !this.isConnected(owner)) {
      const presence = this.presence(owner);
      this.presences.delete(key(owner));
      this.log(2, { ip, port }, csid);
      this.presences.set(key({ ip, port }), presence);
    } else {
      if (count(this.entries.all()) >= maxEntries) return undefined;
      this.log(0, { ip, port }, owner === undefined ? csid : 0);
    }
    if (wantsId && this.entry(ip, port).csid === 0) this.log(3, { ip, port }, this.lowestFreeId());
    this.presence({ ip, port }).connected = true;
    this.away = undefined;
    return this.entry(ip, port);
  }

  disconnect(server: Address, now: number): void {
    const presence = this.presence(server);
    presence.connected = false;
    presence.disconnectedAt = now;
    this.away = undefined;
  }

  /** A chunkserver announced its stop. */
  startTemporaryMaintenance(server: Address, now: number, settings: ChunkSettings): void {
    if (this.entry(server.ip, server.port).maintenance !== Maintenance.off) return;
    const end = endTime(now, settings.temporaryMaintenanceSeconds);
    this.log(6, server, end);
  }

  maintenanceOn(server: Address, now: number, settings: ChunkSettings): number {
    const entry = this.entries.byAddress(server.ip, server.port);
    if (entry === undefined) return Status.NOTFOUND;
    if (entry.maintenance === Maintenance.off) {
      this.log(4, server, endTime(now, settings.maintenanceSeconds));
    }
    return Status.OK;
  }

  maintenanceOff(server: Address): number {
    const entry = this.entries.byAddress(server.ip, server.port);
    if (entry === undefined) return Status.NOTFOUND;
    if (entry.maintenance !== Maintenance.off) this.log(5, server, 0);
    return Status.OK;
  }

  remove(server: Address): number {
    const entry = this.entries.byAddress(server.ip, server.port);
    if (entry === undefined) return Status.NOTFOUND;
    if (this.isConnected(entry)) return Status.ACTIVE;
    this.forget(entry);
    return Status.OK;
  }

  backToWork(server: Address): number {
    if (this.entries.byAddress(server.ip, server.port) === undefined) return Status.NOTFOUND;
    this.presence(server).heavyLoadAt = 0;
    return Status.OK;
  }

  /** Ends maintenance whose time is over, and temporary maintenance of servers that are back. Once a second. */
  endMaintenance(now: number): void {
    for (const entry of [...this.entries.all()]) {
      if (entry.maintenance === Maintenance.off) continue;
      const back = entry.maintenance === Maintenance.temporary && this.isConnected(entry);
      const over = entry.maintenanceTimeout > 0 && entry.maintenanceTimeout < now;
      if (back || over) this.log(5, entry, 0);
    }
  }

  /** Forgets servers that have been away for `days`; 0 = never. Every 600 s. */
  removeUnused(now: number, days: number): void {
    if (days === 0) return;
    for (const entry of [...this.entries.all()]) {
      const presence = this.presence(entry);
      if (!presence.connected && presence.disconnectedAt + days * 86400 < now) this.forget(entry);
    }
  }

  /** Notes a load report; a load far above that of the other servers starts a grace period (spec 40 §13.7). */
  reportLoad(server: Address, load: number, now: number, settings: ChunkSettings): void {
    const own = this.presence(server);
    own.load = load;
    if (load <= settings.heavyLoadThreshold) return;
    if (load > this.averageOfOthers(server, load) * settings.heavyLoadRatio) own.heavyLoadAt = now;
  }

  /** Seconds left of a grace period after heavy load. */
  graceSeconds(server: Address, now: number, settings: ChunkSettings): number {
    const { heavyLoadAt } = this.presence(server);
    return heavyLoadAt === 0 ? 0 : Math.max(0, heavyLoadAt + settings.heavyLoadGraceSeconds - now);
  }

  isConnected(server: Address): boolean {
    return this.presences.get(key(server))?.connected ?? false;
  }

  /** All servers of the database are there. */
  allConnected(): boolean {
    return this.whoIsAway() === 'nobody';
  }

  /** Somebody is away, and everybody who is away is in maintenance: copies are missed only for a while. */
  onlyMaintenanceAway(): boolean {
    return this.whoIsAway() === 'in maintenance';
  }

  private whoIsAway(): Away {
    if (this.away === undefined) {
      const absent = [...this.entries.all()].filter((entry) => !this.isConnected(entry));
      if (absent.length === 0) this.away = 'nobody';
      else this.away = absent.every((entry) => entry.maintenance !== Maintenance.off) ? 'in maintenance' : 'lost';
    }
    return this.away;
  }

  all(): Iterable<ServerEntry> {
    return this.entries.all();
  }

  /** The entry of a server that must be there. */
  entry(ip: number, port: number): ServerEntry {
    const entry = this.entries.byAddress(ip, port);
    if (entry === undefined) throw new Error(`chunkserver ${ip}:${port} is not in the database`);
    return entry;
  }

  private log(csop: number, server: Address, arg: number): void {
    this.away = undefined;
    this.commit({ op: 'CSDBOP', csop, ip: server.ip, port: server.port, arg });
  }

  private averageOfOthers(server: Address, load: number): number {
    let sum = 0;
    let others = 0;
    for (const entry of this.entries.all()) {
      if (entry.ip === server.ip && entry.port === server.port) continue;
      sum += this.presence(entry).load;
      others++;
    }
    return others === 0 ? load : Math.floor(sum / others);
  }

  private forget(entry: ServerEntry): void {
    this.presences.delete(key(entry));
    this.log(1, entry, 0);
  }

  private lowestFreeId(): number {
    let csid = 1;
    while (this.entries.byId(csid) !== undefined) csid++;
    return csid;
  }

  private presence(server: Address): Presence {
    let presence = this.presences.get(key(server));
    if (presence === undefined) {
      presence = { connected: false, disconnectedAt: this.startedAt, heavyLoadAt: 0, load: 0 };
      this.presences.set(key(server), presence);
    }
    return presence;
  }
}

function key(server: Address): string {
  return `${server.ip}:${server.port}`;
}

function endTime(now: number, seconds: number): number {
  return seconds === 0 ? 0 : now + seconds;
}

function count(entries: Iterable<ServerEntry>): number {
  let number = 0;
  for (const _ of entries) number++;
  return number;
}
