import { numberOption, UsageError } from './arguments.ts';
import { request } from './asking.ts';
import { type Invocation, noOperands } from './invocation.ts';
import { notifiedState } from './notifyState.ts';

const PROMOTE_WAIT_S = 30;
const SWITCH_WAIT_MS = 60_000;
const ORDER_WAIT_MS = 30_000;

const say = (text: string) => process.stdout.write(`${text}\n`);

/** `mfsha promote [--force] [--wait S]` */
export async function promote(invocation: Invocation): Promise<number> {
  noOperands(invocation);
  const { options } = invocation;
  const waitMs = numberOption('--wait', options.wait, PROMOTE_WAIT_S, 1, 3600) * 1000;
  await request(options, { command: 'promote', force: options.force === true, waitMs }, waitMs + 1000);
  say('leads and serves');
  return 0;
}

/** `mfsha demote` */
export async function demote(invocation: Invocation): Promise<number> {
  noOperands(invocation);
  const { leader } = await request(invocation.options, { command: 'demote' }, ORDER_WAIT_MS);
  say(
    typeof leader === 'string'
      ? `follows ${leader}, which leads`
      : "follows; nobody leads until 'mfsha promote' on some node, or keepalived decides anew ('mfsha switch' hands over)",
  );
  return 0;
}

/** `mfsha notify ...`: what keepalived decided. Repeated and outdated notifications do no harm. */
export async function notify({ options, operands }: Invocation): Promise<number> {
  const state = notifiedState(operands);
  if (state === undefined) return 0;
  if (state === 'MASTER') {
    const waitMs = PROMOTE_WAIT_S * 1000;
    await request(options, { command: 'promote', force: false, waitMs }, waitMs + 1000);
  } else {
    await request(options, { command: 'demote' }, ORDER_WAIT_MS);
  }
  return 0;
}

/** `mfsha switch [NODE]` */
export async function switchOver({ options, operands }: Invocation): Promise<number> {
  if (operands.length > 1) throw new UsageError(`'${operands[1]}' is one word too many`);
  const [to] = operands;
  const answer = await request(options, { command: 'switch', ...(to !== undefined && { to }) }, SWITCH_WAIT_MS);
  say(`${typeof answer.leader === 'string' ? answer.leader : (to ?? 'another node')} leads`);
  return 0;
}

/** `mfsha resolve --discard-my-data` */
export async function resolve(invocation: Invocation): Promise<number> {
  noOperands(invocation);
  if (invocation.options['discard-my-data'] !== true)
    throw new UsageError(
      "resolve --discard-my-data: say so on the node whose own changes are to be set aside (they are kept in 'ha/' under DATA_PATH)",
    );
  await request(invocation.options, { command: 'resolve', discardMyData: true }, ORDER_WAIT_MS);
  say("this node's own changes are set aside as soon as the other node is there; it follows then");
  return 0;
}

/** `mfsha maintenance on|off` */
export async function maintenance({ options, operands }: Invocation): Promise<number> {
  const [word, ...more] = operands;
  if ((word !== 'on' && word !== 'off') || more.length > 0) throw new UsageError('maintenance on, or maintenance off');
  await request(options, { command: 'maintenance', on: word === 'on' }, ORDER_WAIT_MS);
  say(`maintenance is ${word}`);
  return 0;
}
