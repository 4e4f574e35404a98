import {
  ChunkOpFlag,
  CLTOMA_FUSE_CREATE,
  CLTOMA_FUSE_READ_CHUNK,
  CLTOMA_FUSE_SUSTAINED_INODES,
  CLTOMA_FUSE_TRUNCATE,
  CLTOMA_FUSE_WRITE_CHUNK,
  CLTOMA_FUSE_WRITE_CHUNK_END,
  CLTOMA_INFO,
  MATOCL_FUSE_CHUNK_HAS_CHANGED,
  MATOCL_FUSE_CREATE,
  MATOCL_FUSE_READ_CHUNK,
  MATOCL_FUSE_TRUNCATE,
  MATOCL_FUSE_WRITE_CHUNK,
  MATOCL_FUSE_WRITE_CHUNK_END,
  MATOCL_INFO,
  Status,
} from '@alces/proto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FakeChunkserver } from './support/fakeChunkserver.ts';
import { TestMaster } from './support/testMaster.ts';
import { WireClient } from './support/wireClient.ts';

const user = { uid: 0, gids: [0] };
const SLOW = { timeout: 15_000, interval: 20 };
const REFUSED = 22;
const flags = ChunkOpFlag.CANMODTIME;

describe('writes and truncations, from the side of a mount', () => {
  let master: TestMaster;
  let servers: FakeChunkserver[];
  let client: WireClient;
  let other: WireClient;
  let inode: number;

  beforeEach(async () => {
    master = await TestMaster.start({ config: 'REPLICATIONS_DELAY_INIT = 1\n' });
    const port = master.running.ports.chunkservers;
    servers = [21, 22].map((host) => new FakeChunkserver({ port, ip: 0x0a610000 + host }));
    for (const server of servers) await server.registered;
    client = await WireClient.mount(master.port);
    other = await WireClient.mount(master.port);
    // A server counts once its space has been reported.
    await expect.poll(async () => (await info()).totalSpace, SLOW).toBeGreaterThan(0);
    const created = await client.request(
      CLTOMA_FUSE_CREATE,
      { msgid: 1, parent: 1, name: Buffer.from('f'), mode: 0o644, umask: 0, ...user },
      MATOCL_FUSE_CREATE,
    );
    if (created.layout !== 'data') throw new Error('not created');
    inode = created.inode;
  });
  afterEach(async () => {
    client.end();
    other.end();
    for (const server of servers) server.end();
    await master.destroy();
  });

  const info = () => client.request(CLTOMA_INFO, {}, MATOCL_INFO);
  const write = (from = client, index = 0) =>
    from.request(CLTOMA_FUSE_WRITE_CHUNK, { msgid: 3, inode, index, flags }, MATOCL_FUSE_WRITE_CHUNK);
  const sendWrite = (from: WireClient) => from.send(CLTOMA_FUSE_WRITE_CHUNK, { msgid: 3, inode, index: 0, flags });
  async function granted(from = client, index = 0) {
    const answer = await write(from, index);
    if (answer.layout !== 'data') throw new Error(`refused: ${JSON.stringify(answer)}`);
    return answer;
  }
  const end = (chunkId: number, length: number, from = client, index = 0) =>
    from.request(
      CLTOMA_FUSE_WRITE_CHUNK_END,
      { msgid: 4, chunkId, inode, index, length, flags },
      MATOCL_FUSE_WRITE_CHUNK_END,
    );
  const truncate = (length: number) =>
    client.request(CLTOMA_FUSE_TRUNCATE, { msgid: 5, inode, flags: 0, ...user, length }, MATOCL_FUSE_TRUNCATE);
  const held = () => servers.reduce((sum, server) => sum + server.heldCommands, 0);
  const setAll = (values: { holds?: boolean; status?: number }) => {
    for (const server of servers) Object.assign(server, values);
  };

  test('write, end, read', async () => {
    const { chunkId, servers: places } = await granted();
    expect(places).toHaveLength(2);
    expect(await end(chunkId, 1234)).toEqual({ msgid: 4, status: Status.OK });
    const read = await client.request(
      CLTOMA_FUSE_READ_CHUNK,
      { msgid: 6, inode, index: 0, flags },
      MATOCL_FUSE_READ_CHUNK,
    );
    expect(read).toMatchObject({ layout: 'data', length: 1234, chunkId });
    expect(
      await client.request(CLTOMA_FUSE_READ_CHUNK, { msgid: 6, inode, index: 7, flags }, MATOCL_FUSE_READ_CHUNK),
    ).toMatchObject({
      layout: 'data',
      chunkId: 0,
    });
  });

  test('nothing is answered before the chunkservers have made the chunk', async () => {
    setAll({ holds: true });
    sendWrite(client);
    await expect.poll(held, SLOW).toBe(2);
    // INFO is answered at once; the write is not.
    client.send(CLTOMA_INFO, {});
    expect((await client.frame()).type).toBe(MATOCL_INFO.number);
    setAll({ holds: false });
    for (const server of servers) server.release();
    expect((await client.receive(MATOCL_FUSE_WRITE_CHUNK)).layout).toBe('data');
  });

  test('a write that no chunkserver could begin is refused and undone', async () => {
    setAll({ status: REFUSED });
    expect(await write()).toMatchObject({ layout: 'status', msgid: 3 });
    expect(master.changes().some((line) => line.startsWith(`ROLLBACK(${inode},0,0,`))).toBe(true);
    setAll({ status: Status.OK });
    const { chunkId } = await granted();
    expect(await end(chunkId, 10)).toEqual({ msgid: 4, status: Status.OK });
  });

  test('when the client goes its write is undone', async () => {
    setAll({ holds: true });
    sendWrite(client);
    await expect.poll(held, SLOW).toBe(2);
    client.end();
    await expect.poll(() => master.changes().some((line) => line.startsWith('ROLLBACK(')), SLOW).toBe(true);
    setAll({ holds: false });
    for (const server of servers) server.release();
    client = await WireClient.mount(master.port);
    const { chunkId } = await granted();
    expect(await end(chunkId, 5)).toMatchObject({ status: Status.OK });
  });

  test('a locked chunk makes others wait until it is unlocked', async () => {
    const { chunkId } = await granted();
    sendWrite(other);
    other.send(CLTOMA_INFO, {});
    expect((await other.frame()).type).toBe(MATOCL_INFO.number);
    expect(await end(chunkId, 99)).toEqual({ msgid: 4, status: Status.OK });
    const second = await other.receive(MATOCL_FUSE_WRITE_CHUNK);
    expect(second).toMatchObject({ layout: 'data', chunkId, length: 99 });
  });

  test('other mounts that have the file open hear of changes', async () => {
    other.send(CLTOMA_FUSE_SUSTAINED_INODES, { inodes: [inode] });
    await other.request(CLTOMA_INFO, {}, MATOCL_INFO);
    const { chunkId } = await granted();
    await end(chunkId, 4096);
    const changed = await other.until('CHUNK_HAS_CHANGED', () =>
      other.unsolicited
        .filter(({ type }) => type === MATOCL_FUSE_CHUNK_HAS_CHANGED.number)
        .map(({ payload }) => MATOCL_FUSE_CHUNK_HAS_CHANGED.decode(payload))
        .find(({ length }) => length === 4096),
    );
    expect(changed).toMatchObject({ inode, index: 0, chunkId });
    expect(client.unsolicited).toEqual([]);
  });

  test('truncation inside a chunk asks the chunkservers; a failure leaves the length', async () => {
    const { chunkId } = await granted();
    await end(chunkId, 100_000);
    expect(await truncate(50_000)).toMatchObject({ layout: 'data', prevLength: 100_000 });
    setAll({ status: REFUSED });
    expect(await truncate(20_000)).toMatchObject({ layout: 'status' });
    const read = await client.request(
      CLTOMA_FUSE_READ_CHUNK,
      { msgid: 6, inode, index: 0, flags },
      MATOCL_FUSE_READ_CHUNK,
    );
    expect(read).toMatchObject({ layout: 'data', length: 50_000 });
  });

  test('files end where their length can still be told (decision 0071)', async () => {
    expect(await truncate(2 ** 53 - 2 ** 26)).toMatchObject({ layout: 'data' });
    expect(await truncate(2 ** 53 - 2 ** 26 + 1)).toEqual({ layout: 'status', msgid: 5, status: Status.INDEXTOOBIG });
    expect(await write(client, 2 ** 27 - 1)).toEqual({ layout: 'status', msgid: 3, status: Status.INDEXTOOBIG });
    expect((await info()).allNodes).toBe(2);
  });

  test('an acknowledged write is there after a crash', async () => {
    const { chunkId } = await granted();
    await end(chunkId, 777);
    client.end();
    other.end();
    await master.kill();
    await master.start();
    client = await WireClient.mount(master.port);
    const read = await client.request(
      CLTOMA_FUSE_READ_CHUNK,
      { msgid: 6, inode, index: 0, flags },
      MATOCL_FUSE_READ_CHUNK,
    );
    // The chunkservers of this test do not come back by themselves: the chunk is known, its copies are not.
    expect(read).not.toMatchObject({ status: Status.NOCHUNK });
    expect(master.changes().join('\n')).toContain(`LENGTH(${inode},777`);
  });
});
