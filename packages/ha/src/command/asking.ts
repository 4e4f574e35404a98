import { ask } from '../control/client.ts';
import type { ControlRequest, NodeReport } from '../control/types.ts';
import type { CommandOptions } from './arguments.ts';

/** Nobody listens on the control socket. */
export class NodeNotRunning extends Error {}

/** The control socket: given, or found through mfsha.cfg. */
async function socketPath(options: CommandOptions): Promise<string> {
  if (options.socket !== undefined) return options.socket;
  const { localHaConfig } = await import('./localConfig.ts');
  return localHaConfig(options).files.socket;
}

const isErrno = (error: unknown, ...codes: string[]) =>
  error instanceof Error && 'code' in error && codes.includes(String(error.code));

/** Asks the node of this host. Throws what it refused, or `NodeNotRunning`. */
export async function request(
  options: CommandOptions,
  what: ControlRequest,
  timeoutMs: number,
): Promise<Record<string, unknown>> {
  const socket = await socketPath(options);
  const answer = await ask(socket, what, timeoutMs).catch((error: unknown) => {
    if (isErrno(error, 'ENOENT', 'ECONNREFUSED', 'ENOTSOCK', 'ENOTDIR'))
      throw new NodeNotRunning(`no node runs here (${socket}); 'mfsmetalogger start' or 'mfsmaster start' starts it`);
    if (isErrno(error, 'EACCES'))
      throw new Error(`no right to talk to the node (${socket}): only root and the user that it runs as have it`);
    throw error;
  });
  if (!answer.ok) throw new Error(answer.error);
  return answer;
}

/** The report in an answer to `status`. */
export function statusOf(answer: Record<string, unknown>): NodeReport {
  const { node } = answer;
  if (typeof node !== 'object' || node === null || !('role' in node) || !('peers' in node))
    throw new Error('the node answered without a status');
  return node as NodeReport;
}
