import { numberOption } from './arguments.ts';
import { request, statusOf } from './asking.ts';
import { type Invocation, noOperands } from './invocation.ts';
import { isCatchingUp, statusText } from './statusText.ts';
import { formatTime } from './words.ts';

const PATIENCE_MS = 5000;
/** The speed of a catch-up is measured over that long. */
const SPEED_OVER_MS = 500;
const DEFAULT_EVENTS = 50;

const json = (value: unknown) => process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);

/** `mfsha status [--json]` */
export async function status(invocation: Invocation): Promise<number> {
  noOperands(invocation);
  const { options } = invocation;
  const look = async () => statusOf(await request(options, { command: 'status' }, PATIENCE_MS));
  const first = await look();
  if (options.json) json(first);
  else if (!isCatchingUp(first)) process.stdout.write(statusText(first));
  else {
    const beganMs = performance.now();
    await new Promise((resolve) => setTimeout(resolve, SPEED_OVER_MS));
    process.stdout.write(statusText(await look(), first, performance.now() - beganMs));
  }
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
