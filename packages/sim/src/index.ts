export { type DiskFaults, SimDisk } from './disk.ts';
export { type CrashKind, Host } from './host.ts';
export { type NetworkOptions, SimNetwork } from './network.ts';
export { SeededRandom } from './random.ts';
export { Scheduler } from './scheduler.ts';
export { Simulation } from './simulation.ts';
