// Sends mutated frames of the fixtures to a live daemon. Runs inside the cluster's network namespace:
//   fuzzSender.ts HOST PORT LINK SEED CONNECTIONS SOURCE_ADDRESS
// Prints how many connections were made and how many the daemon closed. A connection that the daemon neither answers nor closes is
// closed here after a moment: a half frame followed by silence must not hold anything.
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { SeededRandom } from '@alces/sim';

const FIXTURES = join(import.meta.dirname, '..', 'fixtures', 'moosefs-3.0.117');
const PATIENCE_MS = 150;
const PARALLEL = 16;

interface RecordedFrame {
  dir: string;
  type: number;
  hex: string;
  conn: number;
}

function recordedRequests(link: string): Buffer[][] {
  const byConnection = new Map<string, Buffer[]>();
  for (const scenario of ['frames-1', 'frames-2']) {
    for (const line of readFileSync(join(FIXTURES, scenario, `${link}.jsonl`), 'utf8').split('\n')) {
      if (line === '') continue;
      const frame: RecordedFrame = JSON.parse(line);
      if (frame.dir !== 'request') continue;
      const payload = Buffer.from(frame.hex, 'hex');
      const header = Buffer.alloc(8);
      header.writeUInt32BE(frame.type, 0);
      header.writeUInt32BE(payload.length, 4);
      const key = `${scenario} ${frame.conn}`;
      byConnection.set(key, [...(byConnection.get(key) ?? []), Buffer.concat([header, payload])]);
    }
  }
  return [...byConnection.values()];
}

function mutate(frame: Buffer, random: SeededRandom): Buffer {
  const bytes = Buffer.from(frame);
  switch (random.below(7)) {
    case 0:
      return bytes.subarray(0, random.below(bytes.length + 1));
    case 1:
      bytes.writeUInt32BE(random.u32(), 4);
      return bytes;
    case 2:
      bytes.writeUInt32BE(random.below(1200), 0);
      return bytes;
    case 3:
      return Buffer.concat([bytes, random.bytes(random.below(64))]);
    case 4:
      return random.bytes(random.below(512));
    case 5:
      for (let count = 1 + random.below(4); count > 0; count--) bytes[random.below(bytes.length)] = random.below(256);
      return bytes;
    default:
      return bytes;
  }
}

/** A connection's recorded beginning, then something broken. */
function attack(conversations: readonly Buffer[][], random: SeededRandom): Buffer {
  const conversation = random.pick(conversations);
  const start = random.below(conversation.length);
  const introduction = random.chance(0.7) ? conversation.slice(0, Math.min(2, start)) : [];
  const rest = conversation.slice(start, start + 1 + random.below(4)).map((frame) => mutate(frame, random));
  return Buffer.concat([...introduction, ...rest]);
}

function send(host: string, port: number, source: string, bytes: Buffer): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, localAddress: source });
    let closedByPeer = false;
    socket.on('connect', () => {
      socket.write(bytes);
      socket.setTimeout(PATIENCE_MS, () => socket.destroy());
    });
    socket.on('data', () => {});
    socket.on('end', () => {
      closedByPeer = true;
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED') reject(error);
      closedByPeer = true;
    });
    socket.on('close', () => resolve(closedByPeer));
  });
}

const [host, port, link, seed, connections, source] = process.argv.slice(2);
if (!host || !port || !link || !seed || !connections || !source)
  throw new Error('usage: HOST PORT LINK SEED CONNECTIONS SOURCE');
const random = new SeededRandom(Number(seed));
const conversations = recordedRequests(link);
let closed = 0;
let left = Number(connections);
await Promise.all(
  Array.from({ length: PARALLEL }, async () => {
    while (left-- > 0) if (await send(host, Number(port), source, attack(conversations, random))) closed++;
  }),
);
process.stdout.write(`${connections} connections, ${closed} closed by the daemon\n`);
