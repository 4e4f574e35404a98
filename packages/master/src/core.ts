import type { AppendReservations, RequestLedger, RequestNote } from '@alces/journal';
import type { Operation, State } from '@alces/metadata';
import type { Clock, Logger, Random } from '@alces/runtime';
import type { ChunkService } from './chunks/api.ts';
import type { DataCacheTable } from './clients/dataCache.ts';
import type { CommitGate } from './commitGate.ts';
import type { MasterConfig } from './config.ts';
import type { ExportList } from './exports/load.ts';
import type { SessionRegistry } from './sessions/registry.ts';

/** What every part of the running master works on. The parts are plain functions and small classes around it. */
export interface Core {
  readonly state: State;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly gate: CommitGate;
  readonly sessions: SessionRegistry;
  readonly dataCache: DataCacheTable;
  readonly reservations: AppendReservations;
  readonly chunks: ChunkService;
  /** Other nodes have the journal, too, and one of them may be the next master: what it must know is in notes. */
  readonly sharesJournal: boolean;
  /** Replaced at reload. */
  config: MasterConfig;
  /** Replaced at reload. */
  exports: ExportList;
  /** Unix seconds at which the master started to serve. */
  readonly startedAt: number;
  /**
   * Performs an operation and hands it to the journal. An operation that was planned or is otherwise known to be possible can't
   * fail; if it does, the state is not what the code believes and the master must not go on.
   */
  commit(operation: Operation, now: number): void;
  /** What was answered to numbered requests of Alces clients. */
  readonly ledger: RequestLedger;
  /** Records a note in the ledger and with the change of that version, in the turn in which this was committed. */
  note(version: number, note: RequestNote): void;
  /** Successful operations since the start, by kind, for the charts. */
  readonly operations: Float64Array;
}

/** Numbers of nodes, for INFO and STATFS. */
export function nodeCounts({ nodes, storageClasses }: State): { all: number; directories: number; files: number } {
  const sum = (counts: Float64Array) => counts.reduce((total, count) => total + count, 0);
  return { all: nodes.count, directories: sum(storageClasses.directories), files: sum(storageClasses.files) };
}
