import { numberOption } from './arguments.ts';
import { request, statusOf } from './asking.ts';
import { type Invocation, noOperands } from './invocation.ts';
import { statusText } from './statusText.ts';
import { formatTime } from './words.ts';

const PATIENCE_MS = 5000;
const DEFAULT_EVENTS = 50;

const json = (value: unknown) => process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);

/** `mfsha status [--json]` */
export async function status(invocation: Invocation): Promise<number> {
  noOperands(invocation);
  const { options } = invocation;
  const answer = statusOf(await request(options, { command: 'status' }, PATIENCE_MS));
  if (options.json) json(answer);
  else process.stdout.write(statusText(answer));
  return 0;
}

/** `mfsha history [-n COUNT] [--json]` */
export async function history(invocation: Invocation): Promise<number> {
  noOperands(invocation);
  const { options } = invocation;
  const count = numberOption('-n', options.count, DEFAULT_EVENTS, 1, 100_000);
  const { events } = await request(options, { command: 'history', count }, PATIENCE_MS);
  if (!Array.isArray(events)) throw new Error('the node answered without events');
  if (options.json) json(events);
  else
    for (const { timeMs, epoch, what } of events)
      process.stdout.write(`${formatTime(timeMs)}  epoch ${epoch}  ${what}\n`);
  return 0;
}
