import type { SeededRandom } from '@alces/sim';
import type { Cluster, Member } from './cluster.ts';

export interface FaultOptions {
  /** Machines may lose power, not only processes be killed. */
  power: boolean;
  /** Machines may come back with an empty disk, one at a time. */
  disks: boolean;
  /** Mean time between two faults. */
  everyMs: number;
}

/** Does to a cluster what happens to clusters, at random moments. */
export class Faults {
  readonly #cluster: Cluster;
  readonly #options: FaultOptions;
  readonly #random: SeededRandom;
  #stopped = false;
  /** From then on no node is without what it had before it lost its disk. */
  #soundFromMs = 0;

  constructor(cluster: Cluster, options: FaultOptions, random: SeededRandom) {
    this.#cluster = cluster;
    this.#options = options;
    this.#random = random;
  }

  start(): void {
    this.#after(this.#random.between(0, 2 * this.#options.everyMs), () => {
      if (this.#stopped) return;
      this.#one();
      this.start();
    });
  }

  #after(delayMs: number, run: () => void): void {
    this.#cluster.sim.scheduler.after(delayMs, run);
  }

  #note(text: string): void {
    this.#cluster.checker.note(`-- ${text}`);
  }

  #one(): void {
    const member = this.#random.pick(this.#cluster.members);
    const faults: [number, () => void][] = [
      [3, () => this.#crash(member)],
      [3, () => this.#pause(member)],
      [4, () => this.#cut(member)],
      [1, () => this.#jump(member)],
      [1, () => this.#slowDisk(member)],
      [1, () => this.#fullDisk(member)],
      [4, () => this.#promote()],
      [2, () => this.#demote()],
      [1, () => this.#switch()],
      [this.#options.disks ? 2 : 0, () => this.#loseDisk(member)],
    ];
    let choice = this.#random.below(faults.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, fault] of faults) {
      choice -= weight;
      if (choice < 0) return fault();
    }
  }

  #crash(member: Member): void {
    if (!member.host.up) return;
    const kind = this.#options.power && this.#random.chance(0.5) ? 'power' : 'kill';
    this.#note(`${member.name} crashes (${kind})`);
    member.crash(kind);
    this.#after(this.#random.between(20, 1500), () => {
      if (member.host.up) return;
      this.#note(`${member.name} restarts`);
      member.restart();
    });
  }

  /** A machine gets a new disk: as long as it has not come into step again, the others keep theirs. */
  #loseDisk(member: Member): void {
    const others = this.#cluster.members.filter((other) => other !== member);
    const isSound = ({ node }: Member) => {
      const status = node?.status();
      return status !== undefined && status.data !== 'Inconsistent' && status.stored === status.version;
    };
    if (!member.host.up || this.#cluster.sim.nowMs < this.#soundFromMs || !others.every(isSound)) return;
    this.#note(`${member.name} loses its disk`);
    member.crash('power');
    member.host.disk.wipe();
    this.#soundFromMs = Number.POSITIVE_INFINITY;
    this.#after(this.#random.between(20, 500), () => {
      this.#note(`${member.name} restarts with an empty disk`);
      member.restart();
      this.#awaitSound(member);
    });
  }

  #awaitSound(member: Member): void {
    this.#after(50, () => {
      const status = member.node?.status();
      if (status?.joined && status.data !== 'Inconsistent' && status.stored === status.version)
        this.#soundFromMs = this.#cluster.sim.nowMs + 200;
      else this.#awaitSound(member);
    });
  }

  #pause(member: Member): void {
    this.#note(`${member.name} stands still`);
    member.host.pause();
    this.#after(this.#random.between(20, 1200), () => {
      this.#note(`${member.name} goes on`);
      member.host.resume();
    });
  }

  /** One way or both, to one other node or to all. */
  #cut(member: Member): void {
    const { network, hosts } = this.#cluster.sim;
    const others = hosts.filter((host) => host !== member.host);
    const targets = this.#random.chance(0.5) ? others : [this.#random.pick(others)];
    const direction = this.#random.below(3);
    this.#note(`${member.name} is cut from ${targets.map((host) => host.name)} (${['out', 'in', 'both'][direction]})`);
    for (const host of targets) {
      if (direction !== 1) network.cut(member.host, host);
      if (direction !== 0) network.cut(host, member.host);
    }
    this.#after(this.#random.between(50, 2500), () => {
      this.#note(`${member.name} is connected again`);
      for (const host of targets) {
        network.heal(member.host, host);
        network.heal(host, member.host);
      }
    });
  }

  #jump(member: Member): void {
    const byMs = this.#random.between(-20_000, 20_000);
    this.#note(`the clock of ${member.name} jumps by ${byMs.toFixed(0)} ms`);
    member.host.jumpClock(byMs);
  }

  #slowDisk(member: Member): void {
    const { faults } = member.host.disk;
    faults.slowness = this.#random.between(5, 200);
    this.#note(`the disk of ${member.name} is ${faults.slowness.toFixed(0)} times slower`);
    this.#after(this.#random.between(50, 1500), () => {
      faults.slowness = 1;
    });
  }

  #fullDisk(member: Member): void {
    const { faults } = member.host.disk;
    faults.capacityBytes = this.#random.below(40_000);
    this.#note(`the disk of ${member.name} is full`);
    this.#after(this.#random.between(50, 1000), () => {
      faults.capacityBytes = Number.POSITIVE_INFINITY;
    });
  }

  #promote(): void {
    const member = this.#random.pick(this.#cluster.full);
    this.#note(`${member.name} is ordered to lead`);
    if (!member.host.paused) member.node?.promote({ standing: this.#random.below(2) === 0 });
  }

  #demote(): void {
    const member = this.#random.pick(this.#cluster.full);
    this.#note(`${member.name} is ordered not to lead`);
    if (!member.host.paused) member.node?.demote();
  }

  #switch(): void {
    const [from] = this.#cluster.leaders;
    const to = this.#random.pick(this.#cluster.full);
    if (from === undefined || to === from || from.host.paused) return;
    this.#note(`planned switch from ${from.name} to ${to.name}`);
    from.node?.switchTo(to.name);
  }

  /** No more faults, and everything works again. */
  stop(): void {
    this.#stopped = true;
    this.#cluster.sim.network.healAll();
    for (const member of this.#cluster.members) {
      member.host.resume();
      member.host.disk.faults.capacityBytes = Number.POSITIVE_INFINITY;
      member.host.disk.faults.slowness = 1;
      member.restart();
    }
  }
}
