import { join } from 'node:path';
import { LockFile } from '@alces/runtime';
import { readSecret } from '../config.ts';
import { openControl } from '../control/server.ts';
import { hostFiles, openHostSide } from '../vip/index.ts';
import { HaNode, type HaNodeOptions } from './haNode.ts';
import { obey } from './orders.ts';

export type HostedNodeOptions = Omit<HaNodeOptions, 'secret' | 'openHost'>;

/** A node as the daemons run it: the only one in its folder, with its control socket, keepalived and the VIP. */
export interface HostedNode {
  readonly node: HaNode;
  /** Hands the lead over if it can, stores everything, ends. */
  stop(): Promise<void>;
}

/** Starts a node: a follower, until somebody decides otherwise. Rejects with what is in the way. */
export async function startHostedNode(options: HostedNodeOptions): Promise<HostedNode> {
  const { config, environment } = options;
  const { dataPath } = config;
  const secret = readSecret(config.secretFile);
  const lock = new LockFile(join(dataPath, '.mfsha.lock'));
  if (!lock.tryTake()) throw new Error(`a node of the journal runs already in ${dataPath} (process ${lock.owner()})`);
  lock.writePid();
  try {
    const node = await HaNode.start({
      ...options,
      secret,
      openHost: (questions) =>
        openHostSide({
          dataPath,
          detector: config.detector,
          hangMs: config.hangTimeoutMs,
          vip: config.vip,
          vipInterface: config.vipInterface,
          manageVip: config.manageVip,
          clock: environment.clock,
          ...questions,
        }),
    });
    try {
      const control = await openControl(hostFiles(dataPath).socket, (request) => obey(node, request));
      return {
        node,
        async stop() {
          await node.leave();
          await control.close();
          await node.stop();
          lock.close();
        },
      };
    } catch (error) {
      await node.stop();
      throw error;
    }
  } catch (error) {
    lock.close();
    throw error;
  }
}
