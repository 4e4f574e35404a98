import { join } from 'node:path';
import { until } from '../../support/until.ts';
import type { Host } from './bridge.ts';
import type { Site } from './site.ts';

async function macOf(host: Host): Promise<string | undefined> {
  return / link\/ether (\S+)/.exec(await host.must('ip', 'link', 'show', 'eth0'))?.[1];
}

/** The Ethernet address that a host takes for an IP address's. */
async function neighbour(host: Host, address: string): Promise<string | undefined> {
  return / lladdr (\S+)/.exec(await host.must('ip', '-4', 'neighbour', 'show', address))?.[1];
}

/** Another machine on the network is given the VIP and says so; resolves when the client was taken in, and sees the leader there again. */
export async function claimVip(site: Site): Promise<void> {
  const leader = await site.leader();
  const { client, vip, bridge } = site;
  const rival = bridge.host('rival', '10.91.0.66');
  const [leaderMac, rivalMac] = [await macOf(leader.host), await macOf(rival)];
  await until('the client to know the leader', 10_000, async () => (await neighbour(client, vip)) === leaderMac);
  rival.addAddress(vip);
  const claim = join(import.meta.dirname, 'claimProgram.ts');
  // More than once: announcements of a takeover may still be under way, which help by chance.
  for (let times = 0; times < 3; times++) {
    await until('the client to be taken in', 15_000, async () => {
      await rival.must(process.execPath, claim, vip);
      return (await neighbour(client, vip)) === rivalMac;
    });
    await until('the client to see the leader again', 20_000, async () => (await neighbour(client, vip)) === leaderMac);
  }
  rival.removeAddress(vip);
}
