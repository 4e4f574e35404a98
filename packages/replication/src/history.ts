/**
 * Histories of epochs, and how two journals compare.
 *
 * A journal is a sequence of records of two kinds: entries (each uses up one version) and beginnings of epochs (which use up none). It
 * is completely described by its history (the beginnings, in order) and its last version: the entries from one beginning to the next
 * are of that epoch, and an epoch has one leader that only ever appends. So two journals that contain the same position have the same
 * records up to it.
 */

/** A node of the journal, by its configured name. */
export type NodeId = string;

/** The beginning of an epoch. */
export interface EpochRecord {
  epoch: number;
  /** The version of its first entry: one more than the last entry before it. */
  first: number;
  leader: NodeId;
  /** A random number in hexadecimal: tells epochs of one number apart that nodes opened without each other's knowledge. */
  id: string;
  /** Who must store an entry of this epoch before it counts as committed. Empty: any quorum of the configured nodes. */
  members: readonly NodeId[];
  /** The leader's wall clock when the epoch began, in milliseconds; for people, and for policies after a split brain. */
  startedMs: number;
}

/** A place in a journal: behind the entry `version`, and behind the beginning of `epoch`. */
export interface Position {
  epoch: number;
  version: number;
}

/** What a node says about its journal. */
export interface LogDescription {
  history: readonly EpochRecord[];
  /** Entries up to this version are not in the journal any more: an image stands for them. */
  base: number;
  /** The last version; equal to `base` when there are no entries. */
  last: number;
  /** The last version known to be committed. */
  commit: number;
  /** The node has taken part in an epoch since its journal was created: what it forgot then is no promise of somebody. */
  joined: boolean;
}

/** Before everything: every complete history has it. */
export const ORIGIN: Position = { epoch: 0, version: 0 };

/** At most this many epochs are kept; the oldest are forgotten. */
export const MAX_HISTORY = 1024;

export function comparePositions(a: Position, b: Position): number {
  return a.epoch - b.epoch || a.version - b.version;
}

/** The same epoch of the same leader. */
export function sameEpoch(a: EpochRecord, b: EpochRecord): boolean {
  return a.epoch === b.epoch && a.id === b.id && a.leader === b.leader && a.first === b.first;
}

/** Where a journal ends. */
export function endOf(log: { history: readonly EpochRecord[]; last: number }): Position {
  return { epoch: log.history.at(-1)?.epoch ?? 0, version: log.last };
}

/** The last version that belongs to the record at `index`. */
function lastOf(history: readonly EpochRecord[], index: number, last: number): number {
  const next = history[index + 1];
  return next === undefined ? last : next.first - 1;
}

/** The history up to a position of the journal that it describes. */
export function historyUpTo(history: readonly EpochRecord[], position: Position): EpochRecord[] {
  return history.filter((record) => record.epoch <= position.epoch);
}

/** The history of the entries up to `version`, without an epoch that begins right behind it. */
export function historyOfEntries(history: readonly EpochRecord[], version: number): EpochRecord[] {
  return history.filter((record) => record.first <= version);
}

/** The position of the journal right behind entry `version`, beginnings that follow it at once included. */
export function positionBehind(history: readonly EpochRecord[], version: number): Position {
  const record = history.findLast((candidate) => candidate.first <= version + 1);
  return { epoch: record?.epoch ?? 0, version };
}

/** True when no beginning has been forgotten. */
function isComplete(history: readonly EpochRecord[]): boolean {
  return history.length === 0 || history[0].first <= 1;
}

interface Describable {
  history: readonly EpochRecord[];
  last: number;
}

/** The greatest position that two journals have in common; undefined: none is known. */
export function commonPoint(a: Describable, b: Describable): Position | undefined {
  let inB = b.history.length - 1;
  for (let inA = a.history.length - 1; inA >= 0; inA--) {
    const record = a.history[inA];
    while (inB >= 0 && b.history[inB].epoch > record.epoch) inB--;
    if (inB < 0) break;
    if (!sameEpoch(record, b.history[inB])) continue;
    const version = Math.min(lastOf(a.history, inA, a.last), lastOf(b.history, inB, b.last));
    return { epoch: record.epoch, version };
  }
  return isComplete(a.history) && isComplete(b.history) ? ORIGIN : undefined;
}

/** True when the journal contains the position (of an epoch whose identity was compared before). */
export function containsPosition(log: Describable, position: Position): boolean {
  if (position.epoch === 0 && position.version === 0) return true;
  const index = log.history.findIndex((record) => record.epoch === position.epoch);
  if (index < 0) return false;
  return position.version >= log.history[index].first - 1 && position.version <= lastOf(log.history, index, log.last);
}

/** The epoch of an entry; 0 for one before all that is known. */
export function epochOfEntry(history: readonly EpochRecord[], version: number): number {
  return history.findLast((record) => record.first <= version)?.epoch ?? 0;
}

/** Why a history cannot be one; undefined when it can. */
export function historyDefect(history: readonly EpochRecord[], last: number): string | undefined {
  if (history.length > MAX_HISTORY) return `${history.length} epochs`;
  for (let index = 0; index < history.length; index++) {
    const record = history[index];
    if (record.first < 1 || record.first > last + 1) return `epoch ${record.epoch} begins at ${record.first}`;
    const previous = history[index - 1];
    if (previous !== undefined && (previous.epoch >= record.epoch || previous.first > record.first))
      return `epoch ${record.epoch} behind ${previous.epoch}`;
  }
  return undefined;
}
