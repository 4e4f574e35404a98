import { execFile, execFileSync, type SpawnOptions, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { until } from './until.ts';

export interface CommandResult {
  status: number;
  stdout: string;
  stderr: string;
}

/** What the tests need and where it comes from; a missing one fails the test with the remedy. */
const REQUIREMENTS: Record<string, string> = {
  '/dev/fuse': 'the fuse kernel module (modprobe fuse)',
  '/usr/sbin/ip': 'apt-get install iproute2',
  '/usr/bin/nsenter': 'apt-get install util-linux',
  '/usr/sbin/mfsmaster': 'apt-get install moosefs-master',
  '/usr/sbin/mfschunkserver': 'apt-get install moosefs-chunkserver',
  '/usr/sbin/mfsmetalogger': 'apt-get install moosefs-metalogger',
  '/usr/bin/mfsmount': 'apt-get install moosefs-client',
  '/usr/bin/mfscli': 'apt-get install moosefs-cli',
  '/usr/sbin/keepalived': 'apt-get install keepalived',
  '/usr/bin/python3': 'apt-get install python3',
};

export function checkRequirements(): void {
  if (process.getuid?.() !== 0) throw new Error('this test needs root (network namespaces, mounts)');
  for (const [path, remedy] of Object.entries(REQUIREMENTS))
    if (!existsSync(path)) throw new Error(`${path} is missing: ${remedy}`);
}

let counter = 0;

/** A network namespace with addresses of its own on its loopback device: what runs in it meets nothing else on this machine. */
export class Namespace {
  readonly name: string;

  constructor(addresses: readonly string[]) {
    this.name = `alces-${process.pid}-${counter++}`;
    execFileSync('ip', ['netns', 'add', this.name]);
    execFileSync('ip', ['-n', this.name, 'link', 'set', 'lo', 'up']);
    for (const address of addresses) execFileSync('ip', ['-n', this.name, 'addr', 'add', `${address}/32`, 'dev', 'lo']);
  }

  /** Runs a command inside; resolves with its outcome whatever its exit status. */
  run(
    command: string,
    args: readonly string[],
    options: { timeoutMs?: number; cwd?: string; input?: string } = {},
  ): Promise<CommandResult> {
    return new Promise((resolve, reject) => {
      const child = execFile(
        'nsenter',
        [`--net=/run/netns/${this.name}`, command, ...args],
        {
          encoding: 'utf8',
          timeout: options.timeoutMs ?? 60_000,
          killSignal: 'SIGKILL',
          maxBuffer: 1 << 28,
          cwd: options.cwd,
        },
        (error, stdout, stderr) => {
          if (error && typeof error.code === 'string') return reject(error);
          if (error?.killed) return reject(new Error(`${command} ${args.join(' ')}: timed out\n${stdout}${stderr}`));
          resolve({ status: typeof error?.code === 'number' ? error.code : error ? 128 : 0, stdout, stderr });
        },
      );
      // A program may end without reading what it is given.
      child.stdin?.on('error', () => {});
      child.stdin?.end(options.input ?? '');
    });
  }

  /** As `run`, but an exit status other than 0 is an error. */
  async must(command: string, ...args: string[]): Promise<string> {
    const result = await this.run(command, args, { timeoutMs: 300_000 });
    if (result.status !== 0) {
      throw new Error(`${command} ${args.join(' ')}: exit status ${result.status}\n${result.stdout}${result.stderr}`);
    }
    return result.stdout;
  }

  /** Starts a command inside and returns at once. */
  spawn(command: string, args: readonly string[], options: SpawnOptions = {}) {
    return spawn('nsenter', [`--net=/run/netns/${this.name}`, command, ...args], options);
  }

  pids(): number[] {
    return execFileSync('ip', ['netns', 'pids', this.name], { encoding: 'utf8' })
      .split('\n')
      .filter(Boolean)
      .map(Number);
  }

  /** Ends everything that runs inside and removes the namespace. */
  async destroy(): Promise<void> {
    const signalAll = (signal: NodeJS.Signals) => {
      const pids = this.pids();
      for (const pid of pids) {
        try {
          process.kill(pid, signal);
        } catch {
          // It ended by itself between the listing and the signal.
        }
      }
      return pids.length;
    };
    signalAll('SIGTERM');
    await until('processes to end', 8_000, () => this.pids().length === 0).catch(() => signalAll('SIGKILL'));
    await until('processes to die', 10_000, () => signalAll('SIGKILL') === 0);
    execFileSync('ip', ['netns', 'del', this.name]);
  }
}
