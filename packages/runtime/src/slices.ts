import type { Clock } from './interfaces.ts';

/** Steps that are taken between two looks at the clock. */
const STEPS_PER_LOOK = 4;

/**
 * Runs a long computation in slices, the first at once, between which everything else has its turn: the generator yields wherever it may be interrupted.
 * Resolves to what it returns. `wanted` is asked before each slice; when it answers false the computation is dropped, and the result undefined.
 */
export function runInSlices<R>(
  clock: Clock,
  sliceMs: number,
  steps: Generator<void, R, void>,
  wanted: () => boolean = () => true,
): Promise<R | undefined> {
  return new Promise((resolve, reject) => {
    const slice = () => {
      try {
        if (!wanted()) return resolve(undefined);
        const endMs = clock.monotonicMs() + sliceMs;
        do {
          for (let i = 0; i < STEPS_PER_LOOK; i++) {
            const step = steps.next();
            if (step.done === true) return resolve(step.value);
          }
        } while (clock.monotonicMs() < endMs);
        clock.timeout(0, slice);
      } catch (error) {
        reject(error);
      }
    };
    slice();
  });
}
