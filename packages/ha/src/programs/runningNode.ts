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

/** DATA_PATH of the node that this program's configuration belongs to; undefined: there is no high availability. */
function nodeDataPath(program: Program, options: DaemonOptions): string | undefined {
  const file = options.configFile ?? `/etc/mfs/${program}.cfg`;
  const text = existsSync(file) ? readFileSync(file) : '';
  const daemon = parseConfig(text, file);
  const ha = haConfigFile(daemon);
  return ha === undefined ? undefined : readHaConfig(ha, daemon).dataPath;
}

function nodeRuns(dataPath: string): boolean {
  const path = join(dataPath, '.mfsha.lock');
  if (!existsSync(path)) return false;
  const lock = new LockFile(path);
  try {
    return lock.owner() !== undefined;
  } finally {
    lock.close();
  }
}

const say = (text: string) => process.stderr.write(`${text}\n`);

/**
 * What a program's action means when this host's node runs already, as master or as metalogger: `mfsmaster start` promotes it, `mfsmaster
 * stop` demotes one that was started as metalogger. Undefined: the action is to be done as ever.
 */
export async function actOnRunningNode(program: Program, argv: readonly string[]): Promise<number | undefined> {
  const parsed = parseCommandLine(argv, program === 'mfsmaster');
  if (parsed.kind !== 'run') return undefined;
  const { action } = parsed.options;
  if (action !== 'start' && action !== 'stop' && action !== 'test') return undefined;
  const dataPath = nodeDataPath(program, parsed.options);
  if (dataPath === undefined || !nodeRuns(dataPath)) return undefined;
  const request = async (what: ControlRequest, waitMs: number) => {
    const answer = await ask(hostFiles(dataPath).socket, what, waitMs);
    if (!answer.ok) throw new Error(answer.error);
    return answer;
  };
  const { daemon, serving } = (await request({ command: 'status' }, ASK_MS)).node as NodeReport;
  if (program === 'mfsmetalogger') return actAsMetalogger(action, daemon);
  if (action === 'test') return testMaster(serving);
  if (action === 'start') {
    await request({ command: 'promote', waitMs: PROMOTE_WAIT_MS }, PROMOTE_WAIT_MS + 1000);
    say("the node of the journal on this host leads and serves (it runs already; see 'mfsha status')");
    return 0;
  }
  if (daemon === 'mfsmaster') return undefined;
  await request({ command: 'demote' }, ASK_MS);
  say('the node of the journal on this host follows');
  return 0;
}

function actAsMetalogger(action: string, daemon: Program): number | undefined {
  if (daemon === 'mfsmetalogger') return undefined;
  if (action === 'start')
    say('the node of the journal on this host runs already, started as mfsmaster; it follows when it does not lead');
  else say("the node of the journal on this host was started as mfsmaster: 'mfsmaster stop' ends it");
  return 0;
}

function testMaster(serving: boolean): number {
  say(
    serving ? 'mfsmaster: the node of the journal on this host serves' : 'mfsmaster is not running (the node follows)',
  );
  return serving ? 0 : 1;
}
