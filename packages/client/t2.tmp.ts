import { connectMaster, ops, createDataEngine } from '@alces/client';
import { createHash, randomFillSync } from 'node:crypto';
const s = await connectMaster({ masters: ['10.94.0.1'], info: '/test' });
s.listen({ disconnected: (e) => console.log('disconnected', e.message) });
const me = { uid: 0, gids: [0] };
const engine = createDataEngine(s);
const SIZE = Number(process.argv[2] ?? 256) << 20;
const block = Buffer.allocUnsafeSlow(1 << 20); randomFillSync(block);
const name = Buffer.from('big' + Date.now());
const made = await ops.create(s, 1, name, { mode: 0o644, umask: 0 }, me);
s.acquireInode(made.inode);
let f = engine.open({ inode: made.inode, length: 0 });
let t = performance.now(); let c0 = process.cpuUsage();
for (let o = 0; o < SIZE; o += block.length) await f.write(o, [block], { transfer: true, asRoot: true });
await f.close();
let dt = performance.now() - t;
console.log('write MB/s', SIZE / dt / 1000, 'cpu', process.cpuUsage(c0), dt);
for (let r = 0; r < 3; r++) {
const at = await ops.getattr(s, made.inode, me);
f = engine.open({ inode: made.inode, length: at.length });
t = performance.now(); c0 = process.cpuUsage(); let got = 0; const h = createHash('md5');
for (let o = 0; o < SIZE; ) { const v = await f.read(o, 1 << 20); for (const b of v) { if (r===2) h.update(b); o += b.length; got += b.length; } }
dt = performance.now() - t;
console.log('read MB/s', got / dt / 1000, 'cpu', process.cpuUsage(c0), dt, process.memoryUsage().rss >> 20, r===2?h.digest('hex'):'');
await f.close();
}
const h2 = createHash('md5'); for (let o = 0; o < SIZE; o += block.length) h2.update(block); console.log(h2.digest('hex'));
await engine.close();
await s.close();
