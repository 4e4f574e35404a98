import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import type { ClusterSettings, DaemonPlace } from '../places.ts';
import { bridgeNamespace, networkName } from './layout.ts';

const ip = (...args: string[]) => execFileSync('ip', args, { stdio: ['ignore', 'pipe', 'pipe'] });

const exists = (namespace: string) => existsSync(`/run/netns/${namespace}`);

/** Why this user can't have namespaces; undefined: no reason. */
export function networkObstacle(): string | undefined {
  if (process.getuid?.() !== 0)
    return '--ha makes network namespaces with a bridge and a virtual address, which needs root';
  try {
    ip('-V');
    return undefined;
  } catch {
    return "--ha needs the program 'ip' (apt-get install iproute2)";
  }
}

/** A network of 198.18.0.0/16 (set aside for tests, RFC 2544) that this machine does not use. */
export function freeHaNetwork(): string {
  const used = new Set(
    Object.values(networkInterfaces())
      .flatMap((entries) => entries ?? [])
      .map((entry) => entry.address.split('.').slice(0, 3).join('.')),
  );
  for (let third = 0; third < 100; third++) {
    const network = `198.18.${third}`;
    if (!used.has(network) && !exists(`alcesha${third}-bridge`)) return network;
  }
  throw new Error('no free network in 198.18.0.0/16');
}

function addHost(settings: ClusterSettings, namespace: string, address: string, port: number): void {
  if (exists(namespace)) return;
  const bridge = bridgeNamespace(settings);
  ip('netns', 'add', namespace);
  ip('-n', bridge, 'link', 'add', `p${port}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace);
  ip('-n', bridge, 'link', 'set', `p${port}`, 'master', 'br0', 'up');
  ip('-n', namespace, 'link', 'set', 'lo', 'up');
  ip('-n', namespace, 'link', 'set', 'eth0', 'up');
  ip('-n', namespace, 'address', 'add', `${address}/24`, 'dev', 'eth0');
}

/** Makes the bridge, a host for every daemon, and an interface for this machine, as far as they are not there. */
export function networkUp(settings: ClusterSettings, places: readonly DaemonPlace[]): void {
  const bridge = bridgeNamespace(settings);
  if (!exists(bridge)) {
    ip('netns', 'add', bridge);
    ip('-n', bridge, 'link', 'add', 'br0', 'type', 'bridge');
    ip('-n', bridge, 'link', 'set', 'br0', 'up');
    const own = networkName(settings);
    ip('-n', bridge, 'link', 'add', 'p0', 'type', 'veth', 'peer', 'name', own, 'netns', String(process.pid));
    ip('-n', bridge, 'link', 'set', 'p0', 'master', 'br0', 'up');
    ip('link', 'set', own, 'up');
    ip('address', 'add', `${settings.network}.254/24`, 'dev', own);
  }
  for (const [index, place] of places.entries())
    if (place.namespace !== undefined) addHost(settings, place.namespace, place.address, index + 1);
}

/** Removes what `networkUp` made. Nothing may run there any more. */
export function networkDown(settings: ClusterSettings, places: readonly DaemonPlace[]): void {
  for (const namespace of [...places.map((place) => place.namespace), bridgeNamespace(settings)])
    if (namespace !== undefined && exists(namespace)) ip('netns', 'del', namespace);
}
