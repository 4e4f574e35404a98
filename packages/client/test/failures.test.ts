import { createHash, randomBytes } from 'node:crypto';
import { closeSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type Client, connect, ops } from '@alces/client';
import { CHUNK_SIZE } from '@alces/proto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../test/support/until.ts';
import { chunkserverPid, type StockCluster, startStock } from './support/stock.ts';

const MIB = 1 << 20;
const CHUNK_HEADER_BYTES = 8192;

let stock: StockCluster;
let fs: Client;

beforeEach(async () => {
  stock = await startStock();
  fs = await connect({ masters: [stock.master] });
});

afterEach(async () => {
  await fs?.close();
  await stock?.stop();
});

const sha = (data: Buffer): string => createHash('sha256').update(data).digest('hex');

/** Paths of all copies of a chunk, by server. */
function copies(chunkId: number): Map<number, string> {
  const found = new Map<number, string>();
  const name = `chunk_${chunkId.toString(16).toUpperCase().padStart(16, '0')}_`;
  for (let server = 0; server < 3; server++) {
    const files = readdirSync(stock.cluster.chunkData(server), { recursive: true }) as string[];
    const file = files.find((path) => path.includes(name));
    if (file !== undefined) found.set(server, join(stock.cluster.chunkData(server), file));
  }
  return found;
}

/** Writes `total` bytes in steps, calling `midway` after half of them; resolves with their digest. */
async function writeWhile(path: string, total: number, midway: () => Promise<void>): Promise<string> {
  const hash = createHash('sha256');
  const file = await fs.open(path, 'w');
  let disturbed: Promise<void> | undefined;
  for (let written = 0; written < total; written += MIB) {
    const part = randomBytes(MIB);
    hash.update(part);
    await file.write(part);
    if (written >= total / 2) disturbed ??= midway();
  }
  await disturbed;
  await file.write('the end');
  hash.update('the end');
  await file.close();
  return hash.digest('hex');
}

async function shaOf(client: Client, path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const part of client.createReadStream(path)) hash.update(part as Buffer);
  return hash.digest('hex');
}

describe('damaged copies', () => {
  it('are passed over for a good one', async () => {
    const data = randomBytes(3 * MIB);
    await fs.writeFile('/damaged', data);
    const { ino } = await fs.stat('/damaged');
    const { chunkId } = await ops.readChunk(fs.session, ino, 0);
    const damaged = [...copies(chunkId)][0][1];
    const fd = openSync(damaged, 'r+');
    writeSync(fd, Buffer.from('broken'), 0, 6, CHUNK_HEADER_BYTES + 5 * 65_536 + 100);
    closeSync(fd);
    for (let round = 0; round < 6; round++) expect(sha(await fs.readFile('/damaged'))).toBe(sha(data));
  });

  it('are an error only when there is no other', { timeout: 120_000 }, async () => {
    await fs.writeFile('/lost', randomBytes(100_000));
    const { ino } = await fs.stat('/lost');
    const { chunkId } = await ops.readChunk(fs.session, ino, 0);
    for (const path of copies(chunkId).values()) {
      const fd = openSync(path, 'r+');
      writeSync(fd, Buffer.from('broken'), 0, 6, CHUNK_HEADER_BYTES + 100);
      closeSync(fd);
    }
    await using impatient = await connect({ masters: [stock.master], ioRetries: 4 });
    await expect(impatient.readFile('/lost')).rejects.toMatchObject({
      syscall: 'read',
      code: expect.stringMatching(/EIO|ENXIO/),
    });
  });
});

describe('a chunkserver that dies', () => {
  it('does not disturb reading', async () => {
    const data = randomBytes(60 * MIB);
    await fs.writeFile('/survivor', data);
    const hash = createHash('sha256');
    let received = 0;
    let killed = false;
    for await (const part of fs.createReadStream('/survivor')) {
      hash.update(part as Buffer);
      received += (part as Buffer).length;
      if (received > 10 * MIB && !killed) {
        killed = true;
        const { ino } = await fs.stat('/survivor');
        const { servers } = await ops.readChunk(fs.session, ino, 0);
        await stock.cluster.killChunkserver((servers[0].ip & 255) - 11);
      }
    }
    expect(hash.digest('hex')).toBe(sha(data));
  });

  it('does not disturb writing', async () => {
    const expected = await writeWhile('/written', 2 * CHUNK_SIZE + 10 * MIB, async () => {
      await stock.cluster.killChunkserver(0);
    });
    await using other = await connect({ masters: [stock.master] });
    expect(await shaOf(other, '/written')).toBe(expected);
  });

  it('may also be silent only', { timeout: 120_000 }, async () => {
    const data = randomBytes(5 * MIB);
    await fs.writeFile('/silent', data);
    const { ino } = await fs.stat('/silent');
    const { servers } = await ops.readChunk(fs.session, ino, 0);
    const silent = (servers[0].ip & 255) - 11;
    const pid = chunkserverPid(stock.cluster, silent);
    process.kill(pid, 'SIGSTOP');
    try {
      for (let round = 0; round < 3; round++) expect(sha(await fs.readFile('/silent'))).toBe(sha(data));
      await fs.writeFile('/silent2', data);
      expect(sha(await fs.readFile('/silent2'))).toBe(sha(data));
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  });
});

describe('a master that restarts', () => {
  it('does not disturb a file that is being written', async () => {
    const expected = await writeWhile('/written', 2 * CHUNK_SIZE + 10 * MIB, async () => {
      await stock.cluster.stopMaster();
      await stock.cluster.startMaster();
    });
    await using other = await connect({ masters: [stock.master] });
    expect(await shaOf(other, '/written')).toBe(expected);
    expect((await other.stat('/written')).size).toBe(2 * CHUNK_SIZE + 10 * MIB + 7);
  });

  it('may also have crashed', async () => {
    const file = await fs.open('/open', 'w+');
    await file.write('before ');
    await file.sync();
    // The stock master's writer is behind: without the end of this write in the change log the chunk would be locked for two minutes.
    const { ino } = await fs.stat('/open');
    const log = join(stock.cluster.masterData, 'changelog.0.mfs');
    await until('the change log to have the write', 10_000, () => {
      const text = readFileSync(log, 'latin1');
      const at = text.lastIndexOf(`LENGTH(${ino},7`);
      return at >= 0 && text.slice(at).includes('UNLOCK(');
    });
    await stock.cluster.killMaster();
    const write = (async () => {
      await file.write('during ');
      await file.sync();
    })();
    await until('the disconnection', 5000, () => !fs.session.connected);
    await stock.cluster.startMaster('-a');
    await write;
    await file.write('after');
    await file.close();
    expect(await fs.readFile('/open', 'utf8')).toBe('before during after');
  });

  it('does not disturb reading', async () => {
    const data = randomBytes(100 * MIB);
    await fs.writeFile('/read', data);
    const hash = createHash('sha256');
    let restart: Promise<void> | undefined;
    for await (const part of fs.createReadStream('/read')) {
      hash.update(part as Buffer);
      restart ??= (async () => {
        await stock.cluster.stopMaster();
        await stock.cluster.startMaster();
      })();
    }
    await restart;
    expect(hash.digest('hex')).toBe(sha(data));
  });
});
