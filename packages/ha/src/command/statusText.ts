import type { PeerStatus } from '@alces/replication';
import type { NodeReport } from '../control/types.ts';
import { fitness } from '../vip/fitness.ts';
import { formatTable, formatTime, progressLine } from './words.ts';

function ownLines(status: NodeReport): string[][] {
  const rows = [
    ['role', `${status.role}${status.serving ? `, serving ${status.clients} client connections` : ''}`],
    ['data', status.data],
    ['epoch', `${status.epoch}, leader ${status.leader ?? 'unknown'}`],
    ['version', `${status.version} (stored ${status.stored}, committed ${status.committed})`],
    ['behind', `${Math.max(0, status.leaderCommitted - status.committed)}`],
    ['protocol', `${status.protocol}, quorum ${status.quorum} of ${status.peers.length + 1}`],
    [
      'VIP',
      status.vip === null
        ? 'not known to the node'
        : `${status.vip.address}${status.vip.held ? ', here' : ', not here'}`,
    ],
    ['maintenance', status.maintenance ? 'on' : 'off'],
    ['running', `${status.daemon}, since ${formatTime(status.startedAt)}`],
  ];
  const { fit, reason } = fitness(status);
  rows.push(['check', `${fit ? 'fit' : 'unfit'}: ${reason}`]);
  if (status.splitBrain)
    rows.push([
      'SPLIT BRAIN',
      `'mfsha resolve --discard-my-data' on the node whose changes are to be set aside heals it`,
    ]);
  if (status.stalledBy !== undefined) rows.push(['stalled', status.stalledBy]);
  if (status.problem !== '') rows.push(['problem', status.problem]);
  return rows;
}

function peerRow(peer: PeerStatus): string[] {
  const words = [peer.role, peer.connection, peer.witness ? 'witness' : peer.data];
  return [peer.id, ...words, String(peer.version), String(peer.behind)];
}

/** What `mfsha status` shows, in DRBD's words. */
export function statusText(status: NodeReport): string {
  const head = `${status.self}${status.witness ? ' (witness)' : ''}`;
  const own = formatTable(ownLines(status).map((row) => ['', ...row]));
  const columns = ['peer', 'role', 'connection', 'data', 'version', 'behind'];
  const peers = formatTable([columns, ...status.peers.map(peerRow)]);
  const { sync } = status;
  const progress = sync === undefined ? '' : `\n${progressLine(sync.bytes, sync.totalBytes, sync.elapsedMs)}\n`;
  return `${head}\n${own}\n\n${peers}\n${progress}`;
}
