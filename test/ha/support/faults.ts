import { until } from '../../support/until.ts';
import type { Site, SiteNode } from './site.ts';

/** Ways to take the lead from a node. */
export const FAULTS = ['kill', 'link', 'hang', 'stop', 'maintenance', 'switch'] as const;
export type Fault = (typeof FAULTS)[number];

/** Does it; resolves at once, or for orderly ones when the order was carried out. */
export async function strike(fault: Fault, node: SiteNode): Promise<void> {
  const pid = node.pid();
  if (pid === undefined) throw new Error(`${node.name} does not run`);
  switch (fault) {
    case 'kill':
      process.kill(pid, 'SIGKILL');
      break;
    case 'hang':
      process.kill(pid, 'SIGSTOP');
      break;
    case 'link':
      node.host.link('down');
      break;
    case 'stop':
      await node.daemon('mfsmetalogger', 'stop');
      break;
    case 'maintenance':
      await node.order({ command: 'maintenance', on: true });
      break;
    case 'switch':
      await node.order({ command: 'switch' });
      break;
  }
}

/** Undoes it, as an operator would. */
export async function repair(fault: Fault, node: SiteNode): Promise<void> {
  switch (fault) {
    case 'kill':
    case 'stop':
      await node.daemon('mfsmetalogger', 'start');
      break;
    case 'hang': {
      const pid = node.pid();
      if (pid !== undefined) process.kill(pid, 'SIGCONT');
      break;
    }
    case 'link':
      node.host.link('up');
      break;
    case 'maintenance':
      await node.order({ command: 'maintenance', on: false });
      break;
    case 'switch':
      break;
  }
}

/** Waits until a node follows another one and has everything. */
export function followsAgain(node: SiteNode): Promise<true> {
  return until(`${node.name} to follow`, 40_000, async () => {
    const status = await node.status();
    return status?.role === 'Secondary' && status.leader !== undefined && status.data === 'UpToDate';
  });
}

/** Waits until a node other than `old` serves; answers it. */
export function nextLeader(site: Site, old: SiteNode): Promise<SiteNode> {
  return until(`a node other than ${old.name} to serve`, 30_000, async () => {
    for (const node of site.nodes) {
      if (node !== old && node.host.has(site.vip) && (await node.status())?.serving) return node;
    }
    return undefined;
  });
}
