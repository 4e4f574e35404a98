import type { SessionParameters } from '../operations.ts';

/** Operation counters per session (spec 50, section 3.1): statfs, getattr, setattr, lookup, mkdir ... */
export const SESSION_COUNTERS = 16;

/** A client session (spec 00, section 4). Only what the image stores; connections are the master's business. */
export interface Session extends SessionParameters {
  readonly sessionid: number;
  /** Time of the last disconnection; 0 = never, or connected when the image was saved. */
  disconnected: number;
  /** Counters of this hour and of the last one. Not part of the replicated state: no change log entry changes them. */
  readonly currentStats: Uint32Array;
  readonly lastHourStats: Uint32Array;
}

/** Sessions by id. */
export class SessionTable extends Map<number, Session> {}

/** A session with fresh counters. */
export function newSession(sessionid: number, parameters: SessionParameters): Session {
  return {
    ...pickParameters(parameters),
    sessionid,
    disconnected: 0,
    currentStats: new Uint32Array(SESSION_COUNTERS),
    lastHourStats: new Uint32Array(SESSION_COUNTERS),
  };
}

/** The session parameters of an operation or session, normalised as they are stored (spec 51, section 3.4). */
export function pickParameters(from: SessionParameters): SessionParameters {
  let infoLength = from.info.length;
  while (infoLength > 0 && from.info[infoLength - 1] === 0) {
    infoLength--;
  }
  return {
    exportscsum: from.exportscsum,
    rootinode: from.rootinode,
    sesflags: from.sesflags & 0x7f,
    umask: from.umask,
    rootuid: from.rootuid,
    rootgid: from.rootgid,
    mapalluid: from.mapalluid,
    mapallgid: from.mapallgid,
    mingoal: from.mingoal,
    maxgoal: from.maxgoal,
    mintrashtime: from.mintrashtime,
    maxtrashtime: from.maxtrashtime,
    disables: from.disables,
    peerip: from.peerip,
    info: Buffer.from(from.info.subarray(0, infoLength)),
  };
}
