import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Cluster, type ClusterOptions, type Kind } from '../../../../test/support/cluster.ts';
import { enterNamespace } from './enterNamespace.ts';

/** A stock cluster in whose network namespace this process is. */
export interface StockCluster {
  readonly cluster: Cluster;
  readonly master: string;
  stop(): Promise<void>;
}

export const ME = { uid: 0, gids: [0] };

/** `ALCES_TEST_CLUSTER=alces` runs the same tests against our own daemons. */
const KIND: Kind = process.env.ALCES_TEST_CLUSTER === 'alces' ? 'alces' : 'stock';

export async function startStock(options: Partial<ClusterOptions> = {}): Promise<StockCluster> {
  const cluster = await Cluster.start({
    master: KIND,
    chunkservers: [KIND, KIND, KIND],
    ...options,
  });
  const leave = enterNamespace(cluster.namespace.name);
  return {
    cluster,
    master: cluster.masterHost,
    async stop() {
      leave();
      await cluster.destroy();
    },
  };
}

export function chunkserverPid(cluster: Cluster, index: number): number {
  return Number(readFileSync(join(cluster.folder, `chunkserver${index}`, '.mfschunkserver.lock'), 'utf8'));
}
