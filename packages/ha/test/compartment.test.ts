import type { Clock } from '@alces/runtime';
import { Simulation } from '@alces/sim';
import { expect, it } from 'vitest';
import { createCompartment } from '../src/node/compartment.ts';

/** A compartment on a simulated host, what ran in it, and how many beats the host still gives. */
function world() {
  const sim = new Simulation(1);
  const environment = sim.addHost('alpha', '10.0.0.1').environment();
  const outside = environment.clock;
  const ran: string[] = [];
  const beats = { running: 0 };
  const counting: Clock = {
    wallMs: () => outside.wallMs(),
    monotonicMs: () => outside.monotonicMs(),
    unixSeconds: () => outside.unixSeconds(),
    timeout: (delayMs, run) => outside.timeout(delayMs, run),
    interval(periodMs, run) {
      beats.running++;
      const cancel = outside.interval(periodMs, run);
      return () => {
        beats.running--;
        cancel();
      };
    },
  };
  const compartment = createCompartment({ ...environment, clock: counting });
  return { sim, compartment, clock: compartment.environment.clock, ran, beats };
}

it('holds what comes due, and lets it run when it goes on', async () => {
  const { sim, compartment, clock, ran } = world();
  clock.timeout(10, () => ran.push('timeout'));
  clock.interval(10, () => ran.push('beat'));
  compartment.freeze(true);
  await sim.run(100);
  expect(ran).toEqual([]);
  compartment.freeze(false);
  expect(ran).toEqual(['timeout']);
  await sim.run(15);
  expect(ran).toEqual(['timeout', 'beat']);
});

it('forgets all timers at its end, and starts none afterwards', async () => {
  const { sim, compartment, clock, ran, beats } = world();
  clock.timeout(10, () => ran.push('timeout'));
  clock.interval(10, () => ran.push('beat'));
  compartment.end();
  clock.timeout(10, () => ran.push('late timeout'));
  clock.interval(10, () => ran.push('late beat'));
  await sim.run(100);
  expect(ran).toEqual([]);
  expect(beats.running).toBe(0);
});
