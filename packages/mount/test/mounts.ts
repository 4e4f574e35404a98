import { chmodSync } from 'node:fs';
import { Cluster } from '../../../test/support/cluster.ts';

/** A stock master and stock chunkservers with our mount and the stock one on them. */
export interface Mounts {
  cluster: Cluster;
  ours: string;
  stock: string;
}

export async function startMounts(options: { exports?: string; ours?: string[] } = {}): Promise<Mounts> {
  const { exports, ours = [] } = options;
  const cluster = await Cluster.start({
    master: 'stock',
    chunkservers: ['stock', 'stock'],
    ...(exports && { exports }),
  });
  try {
    // Other users have to get through to the mount points.
    chmodSync(cluster.folder, 0o755);
    return { cluster, ours: await cluster.mount('alces', ...ours), stock: await cluster.mount('stock') };
  } catch (error) {
    await cluster.destroy();
    throw error;
  }
}

/** A pseudo-random sequence that is the same in every run (xorshift32). */
export class Sequence {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  below(limit: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % limit;
  }
}
