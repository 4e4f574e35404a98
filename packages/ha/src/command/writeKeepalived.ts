import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { reasonOf } from '@alces/runtime';
import { parseVirtualAddress, type VirtualAddress } from '../vip/address.ts';
import { interfaceFor } from '../vip/ipCommand.ts';
import { type CommandOptions, numberOption, UsageError } from './arguments.ts';
import { type Invocation, noOperands } from './invocation.ts';
import { type KeepalivedSettings, keepalivedConfig } from './keepalivedConfig.ts';
import { type LocalConfig, localHaConfig } from './localConfig.ts';

const PROGRAM = join(import.meta.dirname, '..', '..', '..', '..', 'bin', 'mfsha');

function virtualAddress({ options }: Invocation, config: LocalConfig): VirtualAddress {
  const text = options.vip ?? config.vip;
  if (text === undefined) throw new UsageError(`no VIP in ${config.file}: give it there or with --vip 10.0.0.100/24`);
  try {
    return parseVirtualAddress(text);
  } catch (error) {
    throw new UsageError(reasonOf(error));
  }
}

function interfaceName({ options }: Invocation, config: LocalConfig, vip: VirtualAddress): string {
  const name = options.interface ?? config.vipInterface ?? interfaceFor(vip);
  if (name === undefined)
    throw new UsageError(
      `no interface, or more than one, is on the network of ${vip.address}: VIP_INTERFACE or --interface must name it`,
    );
  if (networkInterfaces()[name] === undefined) throw new UsageError(`there is no interface ${name} with an address`);
  return name;
}

function mailOf(options: CommandOptions): KeepalivedSettings['mail'] {
  const to = options['mail-to'];
  if (to === undefined) {
    if (options['mail-from'] ?? options.smtp) throw new UsageError('--mail-to: whom are the mails for?');
    return undefined;
  }
  const from = options['mail-from'] ?? 'keepalived@localhost';
  return { to, from, server: options.smtp ?? '127.0.0.1' };
}

/** Who the node runs as: its folder is its user's. */
function ownerOf(folder: string): string {
  try {
    return execFileSync('id', ['-nu', String(statSync(folder).uid)], { encoding: 'utf8' }).trim();
  } catch (error) {
    throw new UsageError(`whose folder is ${folder}? ${reasonOf(error)}`);
  }
}

/** `mfsha keepalived-config`: a complete keepalived.conf for this node, on standard output. */
export async function writeKeepalived(invocation: Invocation): Promise<number> {
  noOperands(invocation);
  const { options } = invocation;
  const config = localHaConfig(options);
  const { self, nodes } = config.replication;
  const candidates = nodes.filter((node) => !node.witness);
  const place = candidates.findIndex((node) => node.id === self);
  if (place < 0) throw new UsageError(`${self} is a witness: it never leads and needs no keepalived`);
  const vip = virtualAddress(invocation, config);
  const { weight, fifo, socket } = config.files;
  const mail = mailOf(options);
  const text = keepalivedConfig({
    node: self,
    address: candidates[place].host,
    peers: candidates.filter((_, index) => index !== place).map(({ id, host }) => ({ id, address: host })),
    place,
    vip,
    interfaceName: interfaceName(invocation, config, vip),
    multicast: options.multicast === true,
    advertMs: numberOption('--advert-ms', options['advert-ms'], 100, 10, 40_950),
    virtualRouterId: numberOption('--router-id', options['router-id'], 51, 1, 255),
    ...(options['auth-pass'] !== undefined && { password: options['auth-pass'] }),
    ...(mail !== undefined && { mail }),
    trackFile: weight,
    fifo,
    nodeUser: ownerOf(config.dataPath),
    // Without helpers to look after, the check needs nothing from mfsha.cfg and starts faster.
    mfsha: config.checkRestart === '' ? `${PROGRAM} -s ${socket}` : `${PROGRAM} -c ${config.file}`,
    user: 'root',
  });
  process.stdout.write(text);
  return 0;
}
