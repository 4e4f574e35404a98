// Takes a VIP on the interface `one` and listens on its other end, `two`. Runs inside a network namespace.
import { realClock } from '@alces/runtime';
import { createVipKeeper } from '../../src/vip/keeper.ts';
import { ArpSocket } from '../../src/vip/packetSocket.ts';

const say = (text: string) => process.stdout.write(`${text}\n`);
const VIP = '10.0.0.100';

const listener = new ArpSocket('two');
const keeper = createVipKeeper({
  vip: `${VIP}/24`,
  clock: realClock,
  report: (_, text) => {
    if (text.includes('claims')) say('rival');
  },
});
await keeper.take();
say(`taken ${keeper.held}`);

let removed = false;
const watch = setInterval(() => {
  if (listener.otherClaimant(VIP) !== undefined) say(`heard ${VIP}`);
  if (!keeper.held) removed = true;
  else if (removed) {
    say('back true');
    listener.announce(VIP);
  }
}, 20);

process.stdin.resume();
process.stdin.on('end', async () => {
  await keeper.drop();
  say(`dropped ${keeper.held}`);
  clearInterval(watch);
  listener.close();
  await keeper.close();
});
