import { CSTOMA_ALCES_SYNCED, MATOCS_MASTER_ACK, VERSION } from '@alces/proto';
import { formatAddress } from '../../exports/network.ts';
import type { ChunkMaster } from '../chunkMaster.ts';
import { BadMessage, type Link } from '../link.ts';
import { tellNodes } from '../serverMessages.ts';
import { type StandbyContext, standbyMessage } from './messages.ts';
import type { StandbyServer } from './server.ts';

/** A server whose registration was complete for so long has told everything that a scan of its disks finds at a start. */
const SETTLED_MS = 3000;

/**
 * Connections of the time of following, after the node has taken the lead. Until the chunkserver has said that it knows
 * (CSTOMA_ALCES_SYNCED) what it reports is taken note of as before; from then on it is a registered chunkserver.
 */
export class TakenOver {
  private readonly master: ChunkMaster;
  private readonly context: StandbyContext;

  constructor(master: ChunkMaster) {
    const { world } = master;
    this.master = master;
    this.context = {
      clock: world.clock,
      random: world.random,
      settings: () => master.settings,
      metaId: () => world.host.metaId(),
      nextChunkId: () => world.table.nextChunkId,
      // What is to come are the last changes before the handover.
      room: () => Number.POSITIVE_INFINITY,
    };
  }

  handle(link: Link, type: number, payload: Buffer, deadlineMs: number): boolean {
    if (type !== CSTOMA_ALCES_SYNCED.number) return standbyMessage(this.context, link, type, payload, deadlineMs);
    const { epoch, scanned } = CSTOMA_ALCES_SYNCED.decode(payload);
    if (epoch !== this.master.cluster.epoch) throw new BadMessage(`handover for epoch ${epoch}`);
    this.adopt(link, link.standby!, scanned === 1);
    return true;
  }

  private adopt(link: Link, standby: StandbyServer, isScanned: boolean): void {
    const { master } = this;
    const { world } = master;
    const { ip, port, space } = standby;
    const entry = world.database.connect(ip, port, standby.csid, true);
    if (entry === undefined) throw new BadMessage(`${formatAddress(ip)}:${port} has registered in another way`);
    const server = master.addServer({
      link,
      ip,
      port,
      versionWord: standby.versionWord,
      usedBytes: space.usedSpace,
      totalBytes: space.totalSpace,
      chunks: space.chunks,
      markedUsedBytes: space.tdUsedSpace,
      markedTotalBytes: space.tdTotalSpace,
      markedChunks: space.tdChunks,
    });
    if (server === undefined) {
      world.database.disconnect({ ip, port }, world.now());
      throw new BadMessage('too many chunkservers');
    }
    server.labelMask = standby.labelMask;
    server.load = standby.load;
    server.loadState = standby.loadState;
    server.errors = standby.errors;
    link.server = server;
    link.standby = undefined;
    const fields = { version: VERSION, timeout: link.timeoutMs / 1000, csid: entry.csid, metaId: world.host.metaId() };
    link.send(MATOCS_MASTER_ACK.encode({ layout: 'accepted', ...fields }));
    tellNodes(master, link);
    const settled = isScanned || world.clock.monotonicMs() - (standby.completeAtMs ?? 0) >= SETTLED_MS;
    master.adopt(server, standby.locations, standby.damaged, settled);
    const name = `${formatAddress(ip)}:${port}`;
    master.log.info(`chunkserver ${name} taken over, id: ${entry.csid}, ${standby.locations.count} chunks`);
  }
}
