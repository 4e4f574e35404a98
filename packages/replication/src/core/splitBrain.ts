/**
 * Split brain: each node of a pair has gone on alone. What is dirty, and whose changes are set aside, follows from what both say about
 * their journals, so both come to the same verdict.
 */
import type { SplitBrainPolicies } from '../config.ts';
import { commonPoint, type EpochRecord, type LogDescription, type NodeId, type Position } from '../history.ts';

/** One node of the pair. */
export interface Side {
  id: NodeId;
  primary: boolean;
  /** Its operator said that its changes may be discarded. */
  discard: boolean;
  log: LogDescription;
}

/** `victim` is the node whose changes are set aside; undefined: neither follows the other. */
export type Verdict = { splitBrain: false } | { splitBrain: true; victim: NodeId | undefined };

/** The epochs that one journal has behind a common point. */
function epochsBehind(history: readonly EpochRecord[], common: Position): readonly EpochRecord[] {
  return history.slice(history.findIndex((record) => record.epoch === common.epoch) + 1);
}

/** The first epoch behind the common point in which entries were committed without the other node. */
function firstAlone(log: LogDescription, common: Position, other: NodeId): EpochRecord | undefined {
  return epochsBehind(log.history, common).find((record) => !record.members.includes(other));
}

/** True when the journal holds something behind the common point that may have been acknowledged without the other node. */
export function isDirty(log: LogDescription, common: Position, other: NodeId): boolean {
  return firstAlone(log, common, other) !== undefined;
}

/** Whether two nodes of a pair can follow one another, and if not, who gives way. */
export function judge(a: Side, b: Side, policies: SplitBrainPolicies): Verdict {
  if (!a.log.joined || !b.log.joined) return { splitBrain: false };
  const common = commonPoint(a.log, b.log);
  if (common !== undefined && !(isDirty(a.log, common, b.id) && isDirty(b.log, common, a.id)))
    return { splitBrain: false };
  if (a.discard !== b.discard) return { splitBrain: true, victim: a.discard ? a.id : b.id };
  if (a.discard || common === undefined) return { splitBrain: true, victim: undefined };
  return { splitBrain: true, victim: victimByPolicy(a, b, common, policies) };
}

function victimByPolicy(a: Side, b: Side, common: Position, policies: SplitBrainPolicies): NodeId | undefined {
  const candidate = () => victimWithoutPrimary(a, b, common, policies.after0);
  if (a.primary && b.primary) return policies.after2 === 'disconnect' ? undefined : candidate();
  if (!a.primary && !b.primary) return candidate();
  const secondary = a.primary ? b.id : a.id;
  switch (policies.after1) {
    case 'disconnect':
      return undefined;
    case 'discard-secondary':
      return secondary;
    case 'consensus':
      return candidate() === secondary ? secondary : undefined;
    case 'violently-as0p':
    case 'call-pri-lost-after-sb':
      return candidate();
  }
}

function victimWithoutPrimary(
  a: Side,
  b: Side,
  common: Position,
  policy: SplitBrainPolicies['after0'],
): NodeId | undefined {
  const later = a.id > b.id ? a : b;
  const earlier = later === a ? b : a;
  const compare = (value: (side: Side, other: Side) => number) => value(later, earlier) - value(earlier, later);
  const started = (side: Side, other: Side) => firstAlone(side.log, common, other.id)?.startedMs ?? 0;
  const changes = (side: Side) => side.log.last - common.version;
  switch (policy) {
    case 'disconnect':
      return undefined;
    case 'discard-younger-primary':
      return compare(started) >= 0 ? later.id : earlier.id;
    case 'discard-older-primary':
      return compare(started) <= 0 ? later.id : earlier.id;
    case 'discard-zero-changes':
      return changes(later) === 0 ? later.id : changes(earlier) === 0 ? earlier.id : undefined;
    case 'discard-least-changes':
      return compare(changes) <= 0 ? later.id : earlier.id;
    default:
      return [a.id, b.id].find((id) => policy === `discard-node-${id}`);
  }
}
