import type { Metric } from '@alces/runtime';
import type { NodeReport } from '../control/types.ts';

/** What a node of the journal tells about itself, in each role. */
export function nodeMetrics(report: NodeReport): Metric[] {
  const metric = (name: string, help: string, value: number): Metric => {
    return { name: `alces_ha_${name}`, help, value: () => value };
  };
  const { role, serving, epoch, promised, version, stored, committed, leaderCommitted, leader, peers } = report;
  return [
    metric('leads', '1: this node leads.', Number(role === 'Primary')),
    metric('serving', '1: clients are served.', Number(serving)),
    metric('has_leader', '1: a leader is heard, this node or another one.', Number(leader !== undefined)),
    metric('votes', '1: this node counts for the quorum; 0: it has not been in step yet.', Number(report.joined)),
    metric('epoch', 'The epoch of the newest entry.', epoch),
    metric('promised_epoch', 'The highest epoch that this node promised.', promised),
    metric('version', 'The last change in the journal.', version),
    metric('stored_version', "The last change on this node's disk.", stored),
    metric('committed_version', 'The last change known to be safe.', committed),
    metric(
      'behind',
      'Changes that the leader counts as safe and this node does not have.',
      leaderCommitted - committed,
    ),
    metric(
      'connected_peers',
      'Other nodes that are connected.',
      peers.filter(({ data }) => data !== 'DUnknown').length,
    ),
    metric('split_brain', '1: another node and this one went on alone.', Number(report.splitBrain)),
    metric('journal_stalled', '1: the journal cannot be written.', Number(report.stalledBy !== undefined)),
    metric('maintenance', '1: the maintenance flag is set.', Number(report.maintenance)),
  ];
}
