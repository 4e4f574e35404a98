export const MAINTENANCE_OFF = 0;
export const MAINTENANCE_ON = 1;
export const MAINTENANCE_TEMPORARY = 2;

/** A known chunkserver (spec 50, section 3.12). */
export interface ChunkserverRecord {
  ip: number;
  port: number;
  /** 0 = not assigned yet. */
  csid: number;
  /** MAINTENANCE_*. */
  maintenance: number;
  /** Unix time when the maintenance ends, 0 = never. */
  maintenanceTimeout: number;
}

/** Known chunkservers in the order in which they became known. */
export class ChunkserverTable {
  readonly records: ChunkserverRecord[] = [];

  find(ip: number, port: number): ChunkserverRecord | undefined {
    return this.records.find((record) => record.ip === ip && record.port === port);
  }

  /** The server with this id (not 0). */
  findById(csid: number): ChunkserverRecord | undefined {
    return csid === 0 ? undefined : this.records.find((record) => record.csid === csid);
  }

  remove(record: ChunkserverRecord): void {
    this.records.splice(this.records.indexOf(record), 1);
  }
}
