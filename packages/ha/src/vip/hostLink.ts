import { join } from 'node:path';
import type { Clock } from '@alces/runtime';
import { type Guardian, startGuardian } from './guardian.ts';
import { type NotifyFifo, openNotifyFifo, type VrrpState } from './notifyFifo.ts';

/** Name of the VRRP instance in the keepalived.conf that `mfsha keepalived-config` writes. */
export const INSTANCE = 'mfs';

/** The files in DATA_PATH through which a node and keepalived talk. */
export function hostFiles(dataPath: string): { socket: string; fifo: string; weight: string; restarts: string } {
  return {
    socket: join(dataPath, '.mfsha.sock'),
    fifo: join(dataPath, '.mfsha.fifo'),
    weight: join(dataPath, '.mfsha.weight'),
    restarts: join(dataPath, '.mfsha.restarts'),
  };
}

export interface HostLinkOptions {
  dataPath: string;
  /** A node that is silent for that long counts as hung, in milliseconds. */
  hangMs: number;
  /** Where the node itself manages the VIP: taken off this host when the node dies or hangs. */
  vip?: { address: string; interfaceName: string };
  clock: Clock;
  /** What to add to this node's VRRP priority (`fitness(status).weight`). Asked many times a second: must be cheap. */
  weight(): number;
  /** keepalived decided. MASTER: promote; anything else: demote. Never called after `close`. */
  state(state: VrrpState): void;
  report(level: 'info' | 'warn' | 'error', text: string): void;
}

/** A node's link to keepalived on its host: the weight goes out through the guardian, decisions come in through the FIFO. */
export interface HostLink {
  /** Tells keepalived of a changed weight at once. */
  update(): void;
  /** Leaves the node marked as unfit. */
  close(): Promise<void>;
}

/** Rejects when the FIFO can't be made or opened. */
export async function openHostLink(options: HostLinkOptions): Promise<HostLink> {
  const files = hostFiles(options.dataPath);
  const fifo: NotifyFifo = await openNotifyFifo({ ...options, path: files.fifo, instance: INSTANCE });
  const guardian: Guardian = startGuardian({ ...options, trackFile: files.weight });
  return {
    update: () => guardian.update(),
    async close() {
      fifo.close();
      await guardian.close();
    },
  };
}
