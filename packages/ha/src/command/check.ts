import { reasonOf } from '@alces/runtime';
import { fitness } from '../vip/fitness.ts';
import { NodeNotRunning, request, statusOf } from './asking.ts';
import { type Invocation, noOperands } from './invocation.ts';

/** A node that needs longer than that to say how it is is not fit to lead. */
const PATIENCE_MS = 1000;

/** `mfsha check`: 0 when the node may have the VIP. It says nothing when nothing is wrong, as it runs all day. */
export async function check(invocation: Invocation): Promise<number> {
  noOperands(invocation);
  const { options } = invocation;
  for (const line of await restarts(invocation)) process.stdout.write(`${line}\n`);
  try {
    const { fit, reason } = fitness(statusOf(await request(options, { command: 'status' }, PATIENCE_MS)));
    if (!fit || options.verbose) process.stdout.write(`${fit ? 'fit' : 'unfit'}: ${reason}\n`);
    return fit ? 0 : 1;
  } catch (error) {
    const reason = reasonOf(error);
    process.stdout.write(`unfit: ${reason}\n`);
    return error instanceof NodeNotRunning ? 3 : 1;
  }
}

/** With a socket on the command line mfsha.cfg, which names the helper daemons, is not read. */
async function restarts({ options }: Invocation): Promise<string[]> {
  if (options.socket !== undefined) return [];
  const { localHaConfig } = await import('./localConfig.ts');
  const { checkRestart, files } = localHaConfig(options);
  if (checkRestart === '') return [];
  const { restartHelpers } = await import('./restart.ts');
  return restartHelpers(checkRestart, files.restarts, Date.now());
}
