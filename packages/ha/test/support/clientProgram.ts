/**
 * A client for the tests, to be run in a namespace: `node clientProgram.ts MASTER[,MASTER...]`. Takes lines of JSON on its standard input,
 * `{"id": 1, "call": "mkdir", "args": ["/a"]}` (methods of the client library), answers each with `{"id", "result"}` or `{"id", "error"}`.
 */
import { createInterface } from 'node:readline';
import { connect } from '@alces/client';

interface Order {
  id: number;
  call: 'mkdir' | 'readdir' | 'stat' | 'rename' | 'writeFile' | 'readFile' | 'symlink';
  args: [string, string];
}

const client = await connect({ masters: (process.argv[2] ?? '').split(',') });
const tell = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);
tell({ id: 0, result: 'ready' });

async function perform({ call, args: [first, second] }: Order): Promise<unknown> {
  switch (call) {
    case 'mkdir':
      return client.mkdir(first);
    case 'readdir':
      return (await client.readdir(first)).map(String);
    case 'stat':
      return { size: (await client.stat(first)).size };
    case 'rename':
      return client.rename(first, second);
    case 'symlink':
      return client.symlink(first, second);
    case 'writeFile':
      return client.writeFile(first, second);
    case 'readFile':
      return (await client.readFile(first)).toString();
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const order: Order = JSON.parse(line);
  perform(order).then(
    (result) => tell({ id: order.id, result: result ?? null }),
    (error: unknown) => tell({ id: order.id, error: String(error) }),
  );
}
await client.close();
