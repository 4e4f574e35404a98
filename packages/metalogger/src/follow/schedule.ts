const HOUR_SECONDS = 3600;
/** Downloads begin so long after the full hour, when the master has saved its image (spec 52 §4.2). */
const AFTER_HOUR_SECONDS = 630;

/** Number of the download period in which a moment lies; a download is due when it grows. */
export function downloadPeriod(unixSeconds: number, periodHours: number): number {
  return Math.floor((unixSeconds - AFTER_HOUR_SECONDS) / (periodHours * HOUR_SECONDS));
}

/** Milliseconds until the next connection attempt: they are made at multiples of the delay (spec 52 §4.1). */
export function untilNextAttemptMs(wallMs: number, delaySeconds: number): number {
  const delayMs = delaySeconds * 1000;
  return delayMs - (wallMs % delayMs);
}
