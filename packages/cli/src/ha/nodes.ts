import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runProgram } from '../daemons.ts';
import type { DaemonPlace } from '../places.ts';
import { haConfigFile, hasKeepalived } from './layout.ts';

/** What `mfsha status --json` says of a node, as far as it matters here. */
export interface NodeAnswer {
  role: string;
  data: string;
  epoch: number;
  version: number;
  serving: boolean;
  vip: { held: boolean } | null;
}

/** Runs `mfsha` for a node; its output, and its exit status. */
export function mfsha(place: DaemonPlace, ...args: string[]) {
  return runProgram('mfsha', ['-c', haConfigFile(place), ...args], place.namespace);
}

/** What a node says about itself; undefined when it does not run or not answer. */
export async function askNode(place: DaemonPlace): Promise<NodeAnswer | undefined> {
  const outcome = await runProgram('mfsha', ['-s', join(place.dataPath, '.mfsha.sock'), 'status', '--json']);
  if (outcome.status !== 0) return undefined;
  const answer: unknown = JSON.parse(outcome.output);
  return typeof answer === 'object' && answer !== null && 'role' in answer ? (answer as NodeAnswer) : undefined;
}

/** The node that serves clients. */
export async function servingNode(nodes: readonly DaemonPlace[]): Promise<DaemonPlace | undefined> {
  const answers = await Promise.all(nodes.map(askNode));
  return nodes.find((_, index) => answers[index]?.serving === true);
}

const pidFile = (place: DaemonPlace) => join(place.dataPath, 'keepalived.pid');

function keepalivedPid(place: DaemonPlace): number | undefined {
  if (!existsSync(pidFile(place))) return undefined;
  const pid = Number(readFileSync(pidFile(place), 'utf8'));
  try {
    return pid > 0 && readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('keepalived') ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** Starts keepalived for a node that leaves the decision to it, with the configuration that `mfsha` makes. */
export async function startKeepalived(place: DaemonPlace): Promise<void> {
  if (!hasKeepalived() || keepalivedPid(place) !== undefined) return;
  if (!readFileSync(haConfigFile(place), 'utf8').includes('DETECTOR = external')) return;
  const config = join(place.dataPath, 'keepalived.conf');
  if (!existsSync(config)) {
    const made = await mfsha(place, 'keepalived-config');
    if (made.status !== 0) throw new Error(`mfsha keepalived-config: ${made.output}`);
    writeFileSync(config, made.output);
  }
  // Debian's keepalived can't log into a file by itself.
  const log = openSync(join(place.dataPath, 'keepalived.log'), 'a');
  const command = ['keepalived', '-n', '-l', '-D', '-G', '-f', config];
  const files = ['-p', pidFile(place), '-r', join(place.dataPath, 'vrrp.pid')];
  const child = spawn('nsenter', [`--net=/run/netns/${place.namespace}`, ...command, ...files], {
    stdio: ['ignore', log, log],
    detached: true,
  });
  child.unref();
  closeSync(log);
}

/** Ends keepalived of a node and waits until it is gone. */
export async function stopKeepalived(place: DaemonPlace): Promise<void> {
  const pid = keepalivedPid(place);
  if (pid === undefined) return;
  process.kill(pid, 'SIGTERM');
  const deadline = performance.now() + 10_000;
  while (keepalivedPid(place) !== undefined) {
    if (performance.now() > deadline) throw new Error(`keepalived (process ${pid}) does not end`);
    await new Promise((wake) => setTimeout(wake, 50));
  }
}

const LEAD_TIMEOUT_MS = 30_000;

/** Sees to it that one of the nodes, which run, leads. */
export async function leadersUp(nodes: readonly DaemonPlace[]): Promise<void> {
  // A new journal begins where somebody says.
  const answers = await Promise.all(nodes.map(askNode));
  if (answers.every((answer) => answer?.epoch === 0)) await mfsha(nodes[0], 'promote');
  for (const place of nodes) await startKeepalived(place);
  const deadline = performance.now() + LEAD_TIMEOUT_MS;
  while ((await servingNode(nodes)) === undefined) {
    if (performance.now() > deadline)
      throw new Error('no node came to lead; "alces ha history NODE" and their logs say why');
    await new Promise((wake) => setTimeout(wake, 100));
  }
}
