import { runningPid, startDaemon } from '../daemons.ts';
import { clusterFolder, daemonPlaces, readSettings } from '../layout.ts';
import type { ClusterSettings, DaemonPlace } from '../places.ts';
import { formatTable } from '../table.ts';
import { isNode, nodeName } from './layout.ts';
import { askNode, mfsha, servingNode } from './nodes.ts';

export const HA_USAGE = `  ha status             role, epoch and version of each node
  ha kill-leader        kill -9 the node that serves; shows who serves next and how soon
  ha start [NODE]       start a killed node again (all that do not run)
  ha switch [NODE]      planned switch
  ha history NODE       what happened on a node`;

const PATIENCE_MS = 30_000;

function nodesOf(dir: string | undefined): DaemonPlace[] {
  const folder = clusterFolder(dir);
  const settings: ClusterSettings | undefined = readSettings(folder);
  if (!settings?.ha) throw new Error(`no cluster with --ha in ${folder}; "alces up --ha" makes one`);
  return daemonPlaces(folder, settings).filter(isNode);
}

function named(nodes: readonly DaemonPlace[], name: string | undefined): DaemonPlace {
  const found = nodes.find((place) => nodeName(place) === name);
  if (found === undefined) throw new Error(`'${name ?? ''}' is none of ${nodes.map(nodeName).join(', ')}`);
  return found;
}

/** A table of the nodes. */
export async function nodeTable(nodes: readonly DaemonPlace[]): Promise<string> {
  const answers = await Promise.all(nodes.map(askNode));
  const rows = nodes.map((place, index) => {
    const answer = answers[index];
    if (answer === undefined) return [nodeName(place), 'stopped', '-', '-', '-', '-'];
    const { role, data, epoch, version, vip } = answer;
    return [nodeName(place), role, data, String(epoch), String(version), vip?.held ? 'here' : '-'];
  });
  return formatTable([['node', 'role', 'data', 'epoch', 'version', 'VIP'], ...rows]);
}

async function waitForLeader(nodes: readonly DaemonPlace[]): Promise<DaemonPlace> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const leader = await servingNode(nodes);
    if (leader !== undefined) return leader;
    if (performance.now() > deadline) throw new Error(`nobody serves within ${PATIENCE_MS / 1000} s`);
  }
}

async function killLeader(nodes: readonly DaemonPlace[]): Promise<number> {
  const leader = await servingNode(nodes);
  const pid = leader === undefined ? undefined : runningPid(leader);
  if (leader === undefined || pid === undefined) throw new Error('nobody serves');
  process.kill(pid, 'SIGKILL');
  const killedMs = performance.now();
  process.stdout.write(`killed ${nodeName(leader)} (process ${pid})\n`);
  const next = await waitForLeader(nodes.filter((place) => place !== leader));
  const tookMs = Math.round(performance.now() - killedMs);
  process.stdout.write(
    `${nodeName(next)} serves, seen after ${tookMs} ms\n\n${await nodeTable(nodes)}\n\n"alces ha start" brings ${nodeName(leader)} back\n`,
  );
  return 0;
}

async function switchTo(nodes: readonly DaemonPlace[], name: string | undefined): Promise<number> {
  const leader = await servingNode(nodes);
  if (leader === undefined) throw new Error('nobody serves');
  const target = name === undefined ? [] : [nodeName(named(nodes, name))];
  const { status, output } = await mfsha(leader, 'switch', ...target);
  process.stdout.write(`${output}\n${await nodeTable(nodes)}\n`);
  return status;
}

/** `alces ha COMMAND`. Answers the exit status; undefined: there is no such command. */
export async function ha(operands: readonly string[], dir: string | undefined): Promise<number | undefined> {
  const [command, name, ...more] = operands;
  if (more.length > 0) return undefined;
  switch (command) {
    case 'status': {
      const nodes = nodesOf(dir);
      process.stdout.write(`${await nodeTable(nodes)}\n`);
      return (await servingNode(nodes)) === undefined ? 3 : 0;
    }
    case 'kill-leader':
      return killLeader(nodesOf(dir));
    case 'switch':
      return switchTo(nodesOf(dir), name);
    case 'start': {
      const nodes = nodesOf(dir);
      await Promise.all((name === undefined ? nodes : [named(nodes, name)]).map(startDaemon));
      process.stdout.write(`${await nodeTable(nodes)}\n`);
      return 0;
    }
    case 'history': {
      const { status, output } = await mfsha(named(nodesOf(dir), name), 'history');
      process.stdout.write(output);
      return status;
    }
  }
  return undefined;
}
