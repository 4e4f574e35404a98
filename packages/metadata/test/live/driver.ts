/**
 * Sends random requests to a real master and gives the same to this package: answers and change log lines must be equal. To be
 * run in the master's network namespace: `node driver.ts DATA_PATH SEED COUNT`. Prints the number of requests by kind and status;
 * or the first difference, and exits with 1.
 */
import { join } from 'node:path';
import {
  CLTOMA_FUSE_CREATE,
  CLTOMA_FUSE_MKDIR,
  CLTOMA_FUSE_WRITE_CHUNK,
  CLTOMA_FUSE_WRITE_CHUNK_END,
} from '@alces/proto';
import { apply, createState, initializeNewFilesystem, type State } from '../../src/index.ts';
import { Dice } from '../support/random.ts';
import { CaseMaker } from './case.ts';
import { dataCases } from './casesData.ts';
import { nameCases } from './casesNames.ts';
import { toolCases } from './casesTools.ts';
import { CLIENTS } from './cluster.ts';
import { Comparison } from './comparison.ts';
import { LogReader } from './logReader.ts';
import { Mirror } from './mirror.ts';
import { WireClient } from './wire.ts';

/** Where inode and chunk id are in the answers to CREATE and WRITE_CHUNK. */
const CREATED_INODE_OFFSET = 5;
const CHUNK_ID_OFFSET = 13;
const WRITABLE_LIMIT_MS = 60_000;
const RETRY_MS = 250;
const MAKERS = Object.entries({ ...nameCases, ...dataCases, ...toolCases });
const MAKERS_THAT_ADD = MAKERS.filter(([name]) => ['mkdir', 'mknod', 'create', 'symlink', 'writeChunk'].includes(name));
/** Requests that only meta sessions may send. */
const META = ['gettrash', 'getsustained', 'detachedattr', 'gettrashpath', 'settrashpath', 'undel', 'purge'];
const ROOT = { uid: 0, gids: [0] };

/** State from the beginning of a log on an empty file system. */
function stateFrom(log: LogReader): State {
  const state = createState();
  const lines = log.read();
  initializeNewFilesystem(state, lines[0].change.timestamp);
  for (const { change } of lines) {
    apply(state, change.timestamp, change.operation, 'strict');
  }
  return state;
}

/** Waits until chunkservers take data, and leaves a directory for the session that mounts one. */
async function prepare(client: WireClient): Promise<void> {
  const entry = { msgid: 1, parent: 1, mode: 0o777, umask: 0, ...ROOT };
  await client.ask(CLTOMA_FUSE_MKDIR.encode({ ...entry, name: Buffer.from('sub'), copysgid: 0 }));
  const created = await client.ask(CLTOMA_FUSE_CREATE.encode({ ...entry, name: Buffer.from(`w${client.sessionId}`) }));
  const inode = created.readUInt32BE(CREATED_INODE_OFFSET);
  const deadline = Date.now() + WRITABLE_LIMIT_MS;
  for (;;) {
    const answer = await client.ask(CLTOMA_FUSE_WRITE_CHUNK.encode({ msgid: 1, inode, index: 0, flags: 4 }));
    if (answer.length > 5) {
      const chunkId = Number(answer.readBigUInt64BE(CHUNK_ID_OFFSET));
      const end = { msgid: 1, chunkId, inode, index: 0, length: 0, flags: 0 };
      await client.ask(CLTOMA_FUSE_WRITE_CHUNK_END.encode(end));
      return;
    }
    if (Date.now() > deadline) {
      throw new Error(`chunkservers do not take data: status ${answer[4]}`);
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

/** Opens sessions of all kinds, the meta session first. */
async function openSessions(clients: WireClient[]): Promise<void> {
  for (const [address, path] of [
    [CLIENTS.admin, undefined],
    [CLIENTS.readOnly, '/'],
    [CLIENTS.mapAll, '/'],
    [CLIENTS.limited, '/'],
    [CLIENTS.disabled, '/'],
    [CLIENTS.user, '/sub'],
    [CLIENTS.user, '/'],
  ] as const) {
    clients.push(await WireClient.open(address, path));
  }
}

async function compareRequests(
  comparison: Comparison,
  clients: WireClient[],
  dice: Dice,
  count: number,
): Promise<void> {
  const { state } = comparison.mirror;
  let current = clients[0];
  const source = new CaseMaker(state, dice, () => state.sessions.get(current.sessionId)?.rootinode ?? 1);
  for (let i = 0; i < count; i++) {
    const [label, make] = dice.pick(dice.chance(0.35) ? MAKERS_THAT_ADD : MAKERS);
    const usesMeta = dice.chance(META.includes(label) ? 0.95 : 0.02);
    current = usesMeta ? clients[1] : dice.chance(0.5) ? clients[0] : dice.pick(clients);
    const answer = await comparison.run(label, make(source), current);
    if (label === 'writeChunk' && answer.length > 5) {
      const chunkId = Number(answer.readBigUInt64BE(CHUNK_ID_OFFSET));
      source.written = { inode: comparison.mirror.realWrite?.inode ?? 0, chunkId };
      const ended = await comparison.run('writeEnd', dataCases.writeEnd(source), current);
      if (ended[4] !== 0) {
        await comparison.run('unlock', dataCases.unlock(source), current); // a failed end leaves the chunk locked
      }
    }
  }
}

async function main(dataPath: string, seed: number, count: number): Promise<void> {
  const log = new LogReader(join(dataPath, 'changelog.0.mfs'));
  const comparison = new Comparison(new Mirror(stateFrom(log)), log);
  const first = await WireClient.open(CLIENTS.admin, '/');
  const clients = [first];
  try {
    await prepare(first);
    await openSessions(clients);
    comparison.settle();
    await compareRequests(comparison, clients, new Dice(seed), count);
    console.log(JSON.stringify(Object.fromEntries([...comparison.counts].sort())));
  } finally {
    log.close();
    for (const client of clients) {
      client.close();
    }
  }
}

main(process.argv[2], Number(process.argv[3]), Number(process.argv[4])).catch((error: unknown) => {
  console.log(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
