// A node that does nothing but be fit: linkProgram.ts DATA_PATH [UID]
import { realClock } from '@alces/runtime';
import { openHostLink } from '../../src/vip/index.ts';

const uid = process.argv[3];
if (uid !== undefined) process.seteuid?.(Number(uid));

await openHostLink({
  dataPath: process.argv[2],
  hangMs: 400,
  clock: realClock,
  weight: () => 0,
  state: () => {},
  report: () => {},
});
