/**
 * A client for the tests, to be run in a namespace: `node clientProgram.ts MASTER[,MASTER...]`. Takes lines of JSON on its standard input,
 * `{"id": 1, "call": "mkdir", "args": ["name"]}`, performs them in the root folder, and answers each with `{"id", "result"}` or `{"id", "error"}`.
 */

import { createHash } from 'node:crypto';
import { createInterface } from 'node:readline';
import { type Client, connect, connectMaster, ops } from '@alces/client';
import { FlockCommand, OpenFlag } from '@alces/proto';

interface Order {
  id: number;
  call: 'mkdir' | 'create' | 'readdir' | 'rename' | 'flock' | 'write' | 'read';
  args: string[];
}

const ROOT = 1;
const CALLER = { uid: 0, gids: [0] };

const masters = (process.argv[2] ?? '').split(',');
const session = await connectMaster({ masters, info: `[test client ${process.pid}]` });
let connected: Promise<Client> | undefined;
const files = () => {
  connected ??= connect({ masters, info: `[test client ${process.pid}, files]` });
  return connected;
};
const tell = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);
tell({ id: 0, result: 'ready' });

/** What is written to a file and expected to be read from it. */
function contentOf(name: string, lengthBytes: number): Buffer {
  const piece = createHash('sha512').update(name).digest();
  return Buffer.alloc(lengthBytes, piece);
}

async function perform({ id, call, args: [first = '', second = ''] }: Order): Promise<unknown> {
  const name = Buffer.from(first);
  switch (call) {
    case 'mkdir':
      return (await ops.mkdir(session, ROOT, name, { mode: 0o755, umask: 0, copySgid: false }, CALLER)).inode;
    case 'create': {
      const { inode } = await ops.create(session, ROOT, name, { mode: 0o644, umask: 0 }, CALLER);
      session.acquireInode(inode);
      return inode;
    }
    case 'write':
      return (await files()).writeFile(`/${first}`, contentOf(first, Number(second)));
    case 'read': {
      const content = await (await files()).readFile(`/${first}`);
      if (!content.equals(contentOf(first, content.length))) throw new Error(`${first} has another content`);
      return content.length;
    }
    case 'readdir':
      return (await ops.readdir(session, ROOT, CALLER)).map((entry) => entry.name.toString());
    case 'rename':
      return (await ops.rename(session, ROOT, name, ROOT, Buffer.from(second), CALLER)).inode;
    case 'flock': {
      const { inode } = await ops.lookup(session, ROOT, name, CALLER);
      session.acquireInode(inode);
      await ops.open(session, inode, OpenFlag.READ, CALLER);
      return ops.flock(session, {
        inode,
        requestId: id,
        owner: BigInt(process.pid),
        command: FlockCommand.TRY_EXCLUSIVE,
      });
    }
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const order: Order = JSON.parse(line);
  perform(order).then(
    (result) => tell({ id: order.id, result: result ?? null }),
    (error: unknown) => tell({ id: order.id, error: String(error) }),
  );
}
await Promise.all([session.close(), (await connected)?.close()]);
