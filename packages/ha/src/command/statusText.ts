import type { PeerStatus } from '@alces/replication';
import type { NodeReport } from '../control/types.ts';
import { fitness } from '../vip/fitness.ts';
import { catchUpLine, formatTable, formatTime, progressLine } from './words.ts';

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

/** A node that lags no more than that is in step for people: it takes a moment only. */
const WORTH_SHOWING = 1000;

/** Who catches up change by change: this node with its leader, or the peers with this one. */
function lagging(status: NodeReport): { id: string; version: number; total: number }[] {
  const own = { id: status.self, version: status.committed, total: status.leaderCommitted };
  const peers = status.peers
    .filter((peer) => peer.connection === 'SyncSource')
    .map(({ id, version, behind }) => ({ id, version, total: version + behind }));
  return [own, ...peers].filter(({ version, total }) => total - version > WORTH_SHOWING);
}

/** Whether `statusText` has a speed to tell, and needs an earlier report to do so. */
export function isCatchingUp(status: NodeReport): boolean {
  return lagging(status).length > 0;
}

function progressLines(status: NodeReport, before: NodeReport | undefined, elapsedMs: number): string[] {
  const { sync } = status;
  const earlier = before === undefined ? [] : lagging(before);
  return [
    ...(sync === undefined ? [] : [progressLine(sync.bytes, sync.totalBytes, sync.elapsedMs)]),
    ...lagging(status).map(({ id, version, total }) => {
      const from = earlier.find((one) => one.id === id)?.version ?? version;
      return `${id}  ${catchUpLine(version, total, from, elapsedMs)}`;
    }),
  ];
}

/** What `mfsha status` shows, in DRBD's words. `before`: what the node said `elapsedMs` earlier, for the speed of what is under way. */
export function statusText(status: NodeReport, before?: NodeReport, elapsedMs = 0): string {
  const head = `${status.self}${status.witness ? ' (witness)' : ''}`;
  const own = formatTable(ownLines(status).map((row) => ['', ...row]));
  const columns = ['peer', 'role', 'connection', 'data', 'version', 'behind'];
  const peers = formatTable([columns, ...status.peers.map(peerRow)]);
  const progress = progressLines(status, before, elapsedMs);
  return [head, own, '', peers, ...(progress.length > 0 ? ['', ...progress] : []), ''].join('\n');
}
