import { type Begin, noSpace } from '../registration.ts';
import { Load } from '../servers.ts';
import { LocationTable } from './locations.ts';

/** Space as a chunkserver reports it. */
export interface ReportedSpace {
  usedSpace: number;
  totalSpace: number;
  chunks: number;
  tdUsedSpace: number;
  tdTotalSpace: number;
  tdChunks: number;
}

/** A chunkserver that is registered with a node that follows: what it says about itself and its chunks. Nothing is ordered from it. */
export interface StandbyServer {
  readonly ip: number;
  readonly port: number;
  readonly csid: number;
  readonly versionWord: number;
  readonly locations: LocationTable;
  /** Chunks whose copy was reported as damaged. */
  readonly damaged: Set<number>;
  space: ReportedSpace;
  labelMask: number;
  load: number;
  loadState: number;
  errors: number;
  /** Monotonic time of its END; undefined: its list is on the way. */
  completeAtMs: number | undefined;
}

export function standbyServer(ip: number, begin: Begin): StandbyServer {
  return {
    ip,
    port: begin.port,
    csid: begin.csid,
    versionWord: begin.version,
    locations: new LocationTable(),
    damaged: new Set(),
    space: { ...noSpace },
    labelMask: 0,
    load: 0,
    loadState: Load.unknown,
    errors: 0,
    completeAtMs: undefined,
  };
}
