import type { Cancel, Clock } from '@alces/runtime';
import { formatVirtualAddress, parseVirtualAddress } from './address.ts';
import { addAddress, holdsAddress, interfaceFor, removeAddress } from './ipCommand.ts';
import { ArpSocket } from './packetSocket.ts';

export interface VipKeeperOptions {
  /** `10.0.0.100/24`. */
  vip: string;
  /** Default: the one interface with an address of the same network. */
  interfaceName?: string;
  clock: Clock;
  report(level: 'info' | 'warn' | 'error', text: string): void;
}

/** Adds the virtual address to this host, removes it, and tells the wire where it is. */
export interface VipKeeper {
  /** The interface that the address goes to. */
  readonly interfaceName: string;
  /** Resolves when the address is on this host and was announced once; rejects when it can't be added. Repeatable. */
  take(): Promise<void>;
  /** Resolves when the address is not on this host (whoever put it there); rejects when it can't be removed. Repeatable. */
  drop(): Promise<void>;
  /** Announces the address again if it is held: after a partition healed, when a former leader came back. */
  announce(): void;
  /** Whether this host has the address, whoever put it there. */
  readonly held: boolean;
  /** Drops the address and ends. */
  close(): Promise<void>;
}

/**
 * Gratuitous ARP after taking over or after a rival's claim, counted from then: frames get lost, switches learn slowly, and Linux ignores what
 * it hears within a second of the rival's.
 */
const ANNOUNCE_AFTER_MS = [50, 200, 1000, 3000];
/** How often the address and its rivals are looked for while it is held. */
const WATCH_MS = 1000;
/** An announcement without a reason, for whoever missed all others. */
const REFRESH_LOOKS = 15;

/** Throws when the address is malformed or no interface fits it. */
export function createVipKeeper(options: VipKeeperOptions): VipKeeper {
  return new Keeper(options);
}

class Keeper implements VipKeeper {
  readonly #options: VipKeeperOptions;
  readonly #vip: ReturnType<typeof parseVirtualAddress>;
  readonly interfaceName: string;
  #socket: ArpSocket | undefined;
  #wanted = false;
  #cancelWatch: Cancel = () => {};
  #repeats: Cancel[] = [];
  #looks = 0;
  /** Changes are made one after the other. */
  #last: Promise<void> = Promise.resolve();

  constructor(options: VipKeeperOptions) {
    this.#options = options;
    this.#vip = parseVirtualAddress(options.vip);
    const name = options.interfaceName ?? interfaceFor(this.#vip);
    if (name === undefined)
      throw new Error(
        `no interface, or more than one, is on the network of the VIP ${options.vip}: VIP_INTERFACE must name it`,
      );
    this.interfaceName = name;
  }

  get held(): boolean {
    return holdsAddress(this.#vip.address);
  }

  take(): Promise<void> {
    const before = this.#wanted;
    this.#wanted = true;
    return this.#next(async () => {
      if (!this.#wanted) return;
      await addAddress(this.#vip, this.interfaceName);
      if (before) return;
      this.#options.report('info', `virtual address ${formatVirtualAddress(this.#vip)} taken on ${this.interfaceName}`);
      this.#watch();
      this.#announceRepeatedly();
    });
  }

  drop(): Promise<void> {
    this.#wanted = false;
    this.#unwatch();
    return this.#next(async () => {
      if (this.#wanted || !(await removeAddress(this.#vip, this.interfaceName))) return;
      this.#options.report('info', `virtual address ${formatVirtualAddress(this.#vip)} removed from this host`);
    });
  }

  announce(): void {
    if (!this.#wanted) return;
    try {
      this.#socket ??= new ArpSocket(this.interfaceName);
      if (!this.#socket.announce(this.#vip.address))
        this.#options.report('warn', `${this.interfaceName} does not take gratuitous ARP for ${this.#vip.address}`);
    } catch (error) {
      this.#options.report('error', `can't announce ${this.#vip.address}: ${String(error)}`);
    }
  }

  async close(): Promise<void> {
    await this.drop();
    this.#socket?.close();
    this.#socket = undefined;
  }

  #next(change: () => Promise<void>): Promise<void> {
    const run = this.#last.then(change);
    this.#last = run.catch(() => {});
    return run;
  }

  #watch(): void {
    this.#unwatch();
    if (!this.#wanted) return;
    const { clock } = this.#options;
    this.#looks = 0;
    this.#cancelWatch = clock.interval(WATCH_MS, () => this.#look());
  }

  #unwatch(): void {
    this.#cancelWatch();
    this.#cancelRepeats();
  }

  #cancelRepeats(): void {
    for (const cancel of this.#repeats.splice(0)) cancel();
  }

  #announceRepeatedly(): void {
    this.#cancelRepeats();
    this.announce();
    this.#repeats = ANNOUNCE_AFTER_MS.map((delayMs) => this.#options.clock.timeout(delayMs, () => this.announce()));
  }

  #look(): void {
    const { report } = this.#options;
    const rival = this.#socket?.otherClaimant(this.#vip.address);
    if (rival !== undefined) report('warn', `${rival} claims ${this.#vip.address} too; announcing it again`);
    this.#looks++;
    if (!this.held) {
      report(
        'warn',
        `${this.interfaceName} is down, or lost the virtual address ${this.#vip.address}: adding it again`,
      );
      this.#next(async () => {
        if (!this.#wanted) return;
        await addAddress(this.#vip, this.interfaceName);
        this.announce();
      }).catch((error: unknown) => report('error', `can't add ${this.#vip.address} again: ${String(error)}`));
    } else if (rival !== undefined) {
      this.#announceRepeatedly();
    } else if (this.#looks % REFRESH_LOOKS === 0) {
      this.announce();
    }
  }
}
