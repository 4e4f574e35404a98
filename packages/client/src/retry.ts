/** Pauses between tries, as the stock mount makes them (spec 00 §2.9, §6.5; spec 20 §6.4, §6.6). */

const FIRST_MS = 1;
const STEP_MS = 300;
const LONG_MS = 10_001;
const LONG_FROM_TRY = 30;

/** Formula A: pause after the failed try number `tries` (1 is the first). */
export function pauseAfterTry(tries: number): number {
  return tries < LONG_FROM_TRY ? FIRST_MS + (tries - 1) * STEP_MS : LONG_MS;
}

/** Formula B, after a broken transfer: the first two repetitions come at once. */
export function pauseAfterTransfer(tries: number): number {
  if (tries <= 2) return 0;
  return tries < LONG_FROM_TRY ? FIRST_MS + (tries - 3) * STEP_MS : LONG_MS;
}

/** Pause after `times` answers LOCKED or EAGAIN in a row; these are repeated without end. */
export function pauseWhileLocked(times: number): number {
  if (times <= 2) return 1;
  return times <= 6 ? 100 : 500;
}

/** How long an operation whose try number `tries` (1 is the first) just failed goes on trying, in all. */
export function remainingPatience(tries: number, limit: number): number {
  let total = 0;
  for (let n = tries; n <= limit; n++) total += pauseAfterTry(n);
  return total;
}

const CONNECT_LIMITS_MS = [200, 300, 400, 600, 800, 1200, 1600, 2400, 3200, 4800];

/** Limits of the connection attempts to a chunkserver in the try after `tries` failures (spec 20 §6.2). */
export function connectLimits(tries: number): readonly number[] {
  return CONNECT_LIMITS_MS.slice(0, Math.min(CONNECT_LIMITS_MS.length, 2 * tries + 2));
}
