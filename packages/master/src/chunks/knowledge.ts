import type { ChunkWorld } from './world.ts';

/** After the start copies may still turn up for so long. */
const unsettledSeconds = 10;
const newReportsMs = 3000;
const lostReportsMs = 1000;

/** How complete the master's picture of the copies is (spec 40 §1.3). */
export class Knowledge {
  private readonly world: ChunkWorld;
  private readonly startedAt: number;
  private newReportsUntilMs = 0;
  private lostReportsUntilMs = 0;
  private warm = false;

  constructor(world: ChunkWorld) {
    this.world = world;
    this.startedAt = world.now();
  }

  /** A server reported chunks that it has. */
  copiesWereFound(): void {
    this.newReportsUntilMs = this.world.clock.monotonicMs() + newReportsMs;
  }

  /** A server reported known copies as lost. */
  copiesWereLost(): void {
    this.lostReportsUntilMs = this.world.clock.monotonicMs() + lostReportsMs;
  }

  secondsSinceStart(): number {
    return this.world.now() - this.startedAt;
  }

  /** A server's copies are known from the time in which this node followed. */
  serverAdopted(): void {
    this.warm = true;
  }

  /** The start is over and no server registers. A node that has taken the lead need not wait when nobody is missing. */
  stable(): boolean {
    if (this.world.servers.registering()) return false;
    return this.secondsSinceStart() > unsettledSeconds || (this.warm && this.world.database.allConnected());
  }

  /** Copies may still turn up. */
  changing(): boolean {
    return !this.stable() || this.newReports();
  }

  /** Bit 0: copies are being dropped or reported lost; bit 1: servers are registering or reporting copies. */
  inProgress(dropping: boolean): number {
    const leaving = dropping || this.world.clock.monotonicMs() < this.lostReportsUntilMs;
    const coming = this.world.servers.registering() || this.newReports();
    return (leaving ? 1 : 0) + (coming ? 2 : 0);
  }

  private newReports(): boolean {
    return this.world.clock.monotonicMs() < this.newReportsUntilMs;
  }
}
