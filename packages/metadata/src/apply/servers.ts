import { Status } from '@alces/proto';
import type { CsdbopOperation, SetmetaidOperation } from '../operations.ts';
import type { State } from '../state.ts';
import {
  type ChunkserverRecord,
  MAINTENANCE_OFF,
  MAINTENANCE_ON,
  MAINTENANCE_TEMPORARY,
} from '../tables/chunkservers.ts';
import type { ApplyMode, Handlers } from './common.ts';

/** First argument of CSDBOP. */
export const CSDB_ADD = 0;
export const CSDB_DELETE = 1;
export const CSDB_NEW_ADDRESS = 2;
export const CSDB_NEW_ID = 3;
export const CSDB_MAINTENANCE_ON = 4;
export const CSDB_MAINTENANCE_OFF = 5;
export const CSDB_MAINTENANCE_TEMPORARY = 6;

/** Maintenance state that an operation sets. */
const MAINTENANCE_OF: Readonly<Record<number, number>> = {
  [CSDB_MAINTENANCE_ON]: MAINTENANCE_ON,
  [CSDB_MAINTENANCE_OFF]: MAINTENANCE_OFF,
  [CSDB_MAINTENANCE_TEMPORARY]: MAINTENANCE_TEMPORARY,
};

function csdbop(state: State, _now: number, op: CsdbopOperation, mode: ApplyMode): number {
  const { chunkservers } = state;
  if (op.csop === CSDB_ADD) {
    return addServer(state, op);
  }
  const record = op.csop === CSDB_NEW_ADDRESS ? chunkservers.findById(op.arg) : chunkservers.find(op.ip, op.port);
  if (op.csop === CSDB_NEW_ADDRESS && !clearAddress(state, op, record, mode)) {
    return Status.MISMATCH;
  }
  if (record === undefined || !changeServer(state, op, record)) {
    return Status.MISMATCH;
  }
  state.observer.chunkserverChanged(op.csop, op.ip, op.port);
  return Status.OK;
}

/**
 * Makes sure that no other server has the address that one is going to get: an image with such a pair cannot be loaded. The
 * stock replayer does not look (and no master writes such an entry).
 */
function clearAddress(
  state: State,
  op: CsdbopOperation,
  record: ChunkserverRecord | undefined,
  mode: ApplyMode,
): boolean {
  const present = state.chunkservers.find(op.ip, op.port);
  if (present === undefined || present === record || mode === 'strict') {
    return true;
  }
  if (mode === 'live' || record === undefined) {
    return false;
  }
  state.chunkservers.remove(present);
  state.observer.deviation('CSDBOP', 'the address of another server was taken over');
  return true;
}

function addServer(state: State, op: CsdbopOperation): number {
  const { chunkservers } = state;
  if (chunkservers.find(op.ip, op.port) !== undefined || chunkservers.findById(op.arg) !== undefined) {
    return Status.MISMATCH;
  }
  chunkservers.records.push({
    ip: op.ip,
    port: op.port,
    csid: op.arg,
    maintenance: MAINTENANCE_OFF,
    maintenanceTimeout: 0,
  });
  state.observer.chunkserverChanged(op.csop, op.ip, op.port);
  return Status.OK;
}

/** Performs all but "add" on a known server; false if it is not possible. */
function changeServer(state: State, op: CsdbopOperation, record: ChunkserverRecord): boolean {
  const { chunkservers } = state;
  switch (op.csop) {
    case CSDB_DELETE:
      chunkservers.remove(record);
      return true;
    case CSDB_NEW_ADDRESS:
      record.ip = op.ip;
      record.port = op.port;
      return true;
    case CSDB_NEW_ID:
      if (op.arg === 0 || chunkservers.findById(op.arg) !== undefined) {
        return false;
      }
      record.csid = op.arg;
      return true;
    case CSDB_MAINTENANCE_ON:
    case CSDB_MAINTENANCE_OFF:
    case CSDB_MAINTENANCE_TEMPORARY:
      record.maintenance = MAINTENANCE_OF[op.csop];
      record.maintenanceTimeout = op.arg;
      return true;
    default:
      return false;
  }
}

function setmetaid(state: State, _now: number, op: SetmetaidOperation): number {
  if (state.metaid !== 0n && state.metaid !== op.id) {
    return Status.EINVAL;
  }
  state.metaid = op.id;
  return Status.OK;
}

export const serverHandlers: Handlers<'CSDBOP' | 'SETMETAID' | 'IDLE'> = {
  CSDBOP: csdbop,
  SETMETAID: setmetaid,
  IDLE: () => Status.OK,
};
