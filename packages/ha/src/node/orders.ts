import type { ControlRequest } from '../control/types.ts';
import type { HaNode } from './haNode.ts';

const PROMOTE_WAIT_MS = 30_000;
const DEFAULT_EVENTS = 50;

/** Does what was asked for through the control socket. Rejects with why not, in plain words. */
export async function obey(node: HaNode, request: ControlRequest): Promise<Record<string, unknown>> {
  switch (request.command) {
    case 'status':
      return { node: node.report() };
    case 'promote':
      node.ordered(request.force === true ? 'promote, by force' : 'promote');
      await node.promote(request.force === true, request.waitMs ?? PROMOTE_WAIT_MS);
      return {};
    case 'demote':
      node.ordered('demote');
      await node.demote();
      return { leader: node.report().leader };
    case 'switch':
      node.ordered(`switch${request.to === undefined ? '' : ` to ${request.to}`}`);
      return { leader: await node.switchTo(request.to) };
    case 'resolve':
      node.discardMyData();
      return {};
    case 'maintenance':
      await node.setMaintenance(request.on);
      return {};
    case 'history':
      return { events: await node.history(request.count ?? DEFAULT_EVENTS) };
  }
}
