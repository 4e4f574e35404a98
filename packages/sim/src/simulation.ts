import { Host } from './host.ts';
import { type NetworkOptions, SimNetwork } from './network.ts';
import { SeededRandom } from './random.ts';
import { Scheduler } from './scheduler.ts';

/** A whole simulated world from one seed: virtual time, a network, machines with disks. */
export class Simulation {
  readonly random: SeededRandom;
  readonly scheduler = new Scheduler();
  readonly network: SimNetwork;
  readonly hosts: Host[] = [];

  constructor(seed: number, network: NetworkOptions = { minDelayMs: 0.05, maxDelayMs: 1 }) {
    this.random = new SeededRandom(seed);
    this.network = new SimNetwork(this.scheduler, this.random.fork(), network);
  }

  get nowMs(): number {
    return this.scheduler.nowMs;
  }

  addHost(name: string, address: string): Host {
    const host = new Host(name, address, this.scheduler, this.network, this.random.fork());
    this.hosts.push(host);
    return host;
  }

  /** Lets virtual time pass. */
  run(forMs: number): Promise<void> {
    return this.scheduler.run(this.scheduler.nowMs + forMs);
  }

  /** Lets time pass until `done` answers true; throws, naming `what`, when that takes longer than `limitMs` of virtual time. */
  async runUntil(what: string, limitMs: number, done: () => boolean): Promise<void> {
    const end = this.nowMs + limitMs;
    while (!done()) {
      if (this.nowMs >= end) throw new Error(`waited ${limitMs} ms of virtual time for ${what}`);
      await this.run(1);
    }
  }
}
