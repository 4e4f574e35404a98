import type { VrrpState } from '../vip/notifyFifo.ts';
import { UsageError } from './arguments.ts';

const STATES: readonly string[] = ['MASTER', 'BACKUP', 'FAULT', 'STOP'];

/**
 * What `mfsha notify` is told: a state in any case, or keepalived's own four arguments (`INSTANCE mfs MASTER 240`). Undefined: a notification
 * that means nothing to the node, such as MASTER_RX_LOWER_PRI.
 */
export function notifiedState(operands: readonly string[]): VrrpState | undefined {
  const [first, , third] = operands;
  const keepalivedsOwn = operands.length >= 3 && (first === 'INSTANCE' || first === 'GROUP');
  if (!keepalivedsOwn && operands.length !== 1)
    throw new UsageError('notify: master, backup, fault or stop, or the arguments that keepalived gives');
  const word = (keepalivedsOwn ? third : first).toUpperCase();
  if (STATES.includes(word)) return word as VrrpState;
  if (keepalivedsOwn) return undefined;
  throw new UsageError(`notify: '${first}' is none of master, backup, fault, stop`);
}
