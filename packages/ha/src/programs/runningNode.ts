import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DaemonOptions, LockFile, parseCommandLine, parseConfig } from '@alces/runtime';
import { haConfigFile, readHaConfig } from '../config.ts';
import { ask } from '../control/client.ts';
import type { ControlRequest, NodeReport } from '../control/types.ts';
import { hostFiles } from '../vip/hostLink.ts';

type Program = NodeReport['daemon'];

const ASK_MS = 5000;
const PROMOTE_WAIT_MS = 120_000;
const LOOK_MS = 1000;

/** DATA_PATH of the node that this program's configuration belongs to; undefined: there is no high availability. */
function nodeDataPath(program: Program, options: DaemonOptions): string | undefined {
  const file = options.configFile ?? `/etc/mfs/${program}.cfg`;
  const text = existsSync(file) ? readFileSync(file) : '';
  const daemon = parseConfig(text, file);
  const ha = haConfigFile(daemon);
  return ha === undefined ? undefined : readHaConfig(ha, daemon).dataPath;
}

function isHeld(path: string): boolean {
  if (!existsSync(path)) return false;
  const lock = new LockFile(path);
  try {
    return lock.owner() !== undefined;
  } finally {
    lock.close();
  }
}

/** As what this host's node runs; undefined: it does not. Not asked of the node itself, which may hang. */
function runningAs(dataPath: string): Program | undefined {
  if (!isHeld(join(dataPath, '.mfsha.lock'))) return undefined;
  return isHeld(join(dataPath, '.mfsmaster.lock')) ? 'mfsmaster' : 'mfsmetalogger';
}

const say = (text: string) => process.stderr.write(`${text}\n`);

/** What became of an action: its exit status, or it is to be done as ever, on the daemon of this name. */
export type Acted = { status: number } | { daemon: Program };

/**
 * What a program's action means when this host's node runs already, as master or as metalogger: `mfsmaster start` promotes it, `mfsmaster
 * stop` demotes one that was started as metalogger; what is for a process (reload, info, save...) is for the one that runs.
 */
export async function actOnRunningNode(program: Program, argv: readonly string[]): Promise<Acted> {
  const parsed = parseCommandLine(argv, program === 'mfsmaster');
  if (parsed.kind !== 'run') return { daemon: program };
  const { action } = parsed.options;
  const dataPath = nodeDataPath(program, parsed.options);
  const daemon = dataPath === undefined ? undefined : runningAs(dataPath);
  if (dataPath === undefined || daemon === undefined) return { daemon: program };
  const request = async (what: ControlRequest, waitMs: number) => {
    const answer = await ask(hostFiles(dataPath).socket, what, waitMs);
    if (!answer.ok) throw new Error(answer.error);
    return answer;
  };
  if (program === 'mfsmetalogger') return actAsMetalogger(action, daemon);
  if (action === 'start') {
    const problem = async () => ((await request({ command: 'status' }, ASK_MS)).node as NodeReport).problem;
    await tellingWhy(request({ command: 'promote', waitMs: PROMOTE_WAIT_MS }, PROMOTE_WAIT_MS + 1000), problem);
    say("the node of the journal on this host leads and serves (it runs already; see 'mfsha status')");
    return { status: 0 };
  }
  if (daemon === 'mfsmaster') return { daemon };
  if (action === 'test' || action === 'status') {
    const { serving } = (await request({ command: 'status' }, ASK_MS)).node as NodeReport;
    return { status: testMaster(serving) };
  }
  if (action !== 'stop') return { daemon };
  await request({ command: 'demote' }, ASK_MS);
  say('the node of the journal on this host follows');
  return { status: 0 };
}

/** Says what is in the way, as long as an order is not carried out. */
async function tellingWhy(order: Promise<unknown>, problem: () => Promise<string>): Promise<void> {
  let told = '';
  const look = async () => {
    const text = await problem();
    if (text !== '' && text !== told) say(text);
    told = text;
  };
  // A node that does not answer this does not answer the order either, which says so.
  const timer = setInterval(() => void look().catch(() => {}), LOOK_MS);
  try {
    await order;
  } finally {
    clearInterval(timer);
  }
}

function actAsMetalogger(action: string, daemon: Program): Acted {
  if (daemon === 'mfsmetalogger') return { daemon };
  if (action === 'start')
    say('the node of the journal on this host runs already, started as mfsmaster; it follows when it does not lead');
  else if (action === 'stop')
    say("the node of the journal on this host was started as mfsmaster: 'mfsmaster stop' ends it");
  else return { daemon };
  return { status: 0 };
}

function testMaster(serving: boolean): number {
  say(
    serving ? 'mfsmaster: the node of the journal on this host serves' : 'mfsmaster is not running (the node follows)',
  );
  return serving ? 0 : 1;
}
