import { randomBytes } from 'node:crypto';
import type { Clock, Random } from './interfaces.ts';

export const realClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  unixSeconds: () => Math.floor(Date.now() / 1000),
  timeout(delayMs, run) {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
  interval(periodMs, run) {
    const timer = setInterval(run, periodMs);
    return () => clearInterval(timer);
  },
};

export const realRandom: Random = {
  u32: () => (Math.random() * 0x1_0000_0000) >>> 0,
  below: (limit) => Math.floor(Math.random() * limit),
  bytes: (count) => randomBytes(count),
};
