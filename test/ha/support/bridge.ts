import { execFile, execFileSync, type SpawnOptions, spawn } from 'node:child_process';
import type { CommandResult } from '../../support/namespace.ts';
import { until } from '../../support/until.ts';

const ip = (...args: string[]) => execFileSync('ip', args, { encoding: 'utf8' });

/** A host of the test: a network namespace with one interface, `eth0`, on the bridge. */
export class Host {
  readonly name: string;
  readonly namespace: string;
  readonly address: string;
  readonly #bridge: string;
  readonly #port: string;

  constructor(name: string, address: string, bridge: string, number: number) {
    this.name = name;
    this.address = address;
    this.#bridge = bridge;
    this.namespace = `${bridge}-${name}`;
    this.#port = `p${number}`;
    ip('netns', 'add', this.namespace);
    ip('-n', bridge, 'link', 'add', this.#port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', this.namespace);
    ip('-n', bridge, 'link', 'set', this.#port, 'master', 'br0', 'up');
    ip('-n', this.namespace, 'link', 'set', 'lo', 'up');
    ip('-n', this.namespace, 'link', 'set', 'eth0', 'up');
    ip('-n', this.namespace, 'address', 'add', `${address}/24`, 'dev', 'eth0');
  }

  addAddress(address: string): void {
    ip('-n', this.namespace, 'address', 'add', `${address}/24`, 'dev', 'eth0');
  }

  removeAddress(address: string): void {
    ip('-n', this.namespace, 'address', 'del', `${address}/24`, 'dev', 'eth0');
  }

  /** Pulls the cable, or puts it back: the host sees its carrier go. */
  cable(state: 'up' | 'down'): void {
    ip('-n', this.#bridge, 'link', 'set', this.#port, state);
  }

  /** `ip link set eth0 down` on the host itself, or up. */
  link(state: 'up' | 'down'): void {
    ip('-n', this.namespace, 'link', 'set', 'eth0', state);
  }

  has(address: string): boolean {
    return ip('-n', this.namespace, '-4', 'address', 'show', 'dev', 'eth0').includes(` ${address}/`);
  }

  /** Runs a command on the host; resolves with its outcome whatever its exit status. */
  run(command: string, args: readonly string[], timeoutMs = 60_000): Promise<CommandResult> {
    return new Promise((resolve, reject) => {
      execFile(
        'nsenter',
        [`--net=/run/netns/${this.namespace}`, command, ...args],
        { encoding: 'utf8', timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: 1 << 26 },
        (error, stdout, stderr) => {
          if (error && typeof error.code === 'string') return reject(error);
          if (error?.killed) return reject(new Error(`${command} ${args.join(' ')}: timed out\n${stdout}${stderr}`));
          resolve({ status: typeof error?.code === 'number' ? error.code : error ? 128 : 0, stdout, stderr });
        },
      );
    });
  }

  /** As `run`, but an exit status other than 0 is an error. */
  async must(command: string, ...args: string[]): Promise<string> {
    const result = await this.run(command, args);
    if (result.status !== 0)
      throw new Error(
        `${this.name}: ${command} ${args.join(' ')}: exit status ${result.status}\n${result.stdout}${result.stderr}`,
      );
    return result.stdout;
  }

  spawn(command: string, args: readonly string[], options: SpawnOptions = {}) {
    return spawn('nsenter', [`--net=/run/netns/${this.namespace}`, command, ...args], options);
  }

  pids(): number[] {
    return ip('netns', 'pids', this.namespace).split('\n').filter(Boolean).map(Number);
  }
}

let counter = 0;

/** Hosts on one bridge: an Ethernet of their own. */
export class Bridge {
  readonly name = `haf${process.pid}-${counter++}`;
  readonly hosts: Host[] = [];

  constructor() {
    if (process.getuid?.() !== 0) throw new Error('this test needs root (network namespaces, mounts)');
    ip('netns', 'add', this.name);
    ip('-n', this.name, 'link', 'add', 'br0', 'type', 'bridge');
    ip('-n', this.name, 'link', 'set', 'br0', 'up');
  }

  host(name: string, address: string): Host {
    const host = new Host(name, address, this.name, this.hosts.length);
    this.hosts.push(host);
    return host;
  }

  /** Every host drops what it receives of an IP protocol (112 is VRRP) until `passAll`, as a firewall with a mistake would. */
  drop(protocol: number): void {
    for (const { namespace } of this.hosts) {
      ip('-n', namespace, 'rule', 'add', 'pref', '0', 'iif', 'eth0', 'ipproto', String(protocol), 'blackhole');
      // Behind the rule in place of before it.
      ip('-n', namespace, 'rule', 'add', 'pref', '10', 'lookup', 'local');
      ip('-n', namespace, 'rule', 'del', 'pref', '0', 'lookup', 'local');
    }
  }

  passAll(): void {
    for (const { namespace } of this.hosts) {
      ip('-n', namespace, 'rule', 'add', 'pref', '0', 'lookup', 'local');
      ip('-n', namespace, 'rule', 'del', 'pref', '0', 'iif', 'eth0', 'blackhole');
      ip('-n', namespace, 'rule', 'del', 'pref', '10', 'lookup', 'local');
    }
  }

  /** Ends everything that runs on the hosts and removes them. */
  async destroy(): Promise<void> {
    const signalAll = (signal: NodeJS.Signals) => {
      const pids = this.hosts.flatMap((host) => host.pids());
      for (const pid of pids) {
        try {
          process.kill(pid, signal);
        } catch {
          // It ended by itself between the listing and the signal.
        }
      }
      return pids.length;
    };
    // A stopped process would not hear of its end.
    signalAll('SIGCONT');
    signalAll('SIGTERM');
    await until('processes to end', 6_000, () => this.hosts.every((host) => host.pids().length === 0)).catch(() =>
      signalAll('SIGKILL'),
    );
    await until('processes to die', 10_000, () => signalAll('SIGKILL') === 0);
    for (const { namespace } of this.hosts) ip('netns', 'del', namespace);
    ip('netns', 'del', this.name);
  }
}
