import type { Environment } from './interfaces.ts';
import { realClock, realRandom } from './realClock.ts';
import { realDisk } from './realDisk.ts';
import { realNet } from './realNet.ts';

const environment: Environment = { clock: realClock, random: realRandom, net: realNet, disk: realDisk };

/** The operating system's clock, randomness, network and disk. */
export function realEnvironment(): Environment {
  return environment;
}
