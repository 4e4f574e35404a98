import { formatVirtualAddress, type VirtualAddress } from '../vip/address.ts';
import { INSTANCE } from '../vip/hostLink.ts';
import { priorityOf } from '../vip/weights.ts';
import { UsageError } from './arguments.ts';

/** Everything that goes into a node's keepalived.conf. */
export interface KeepalivedSettings {
  node: string;
  /** Address of this node on the network of the VIP. */
  address: string;
  /** The other nodes that can lead. */
  peers: readonly { id: string; address: string }[];
  /** Place of this node among those that can lead, 0 the first. */
  place: number;
  vip: VirtualAddress;
  interfaceName: string;
  multicast: boolean;
  advertMs: number;
  virtualRouterId: number;
  /** VRRPv2 with a password in clear; VRRPv2 has no adverts below a second. */
  password?: string;
  mail?: { to: string; from: string; server: string };
  trackFile: string;
  fifo: string;
  /** User that the node runs as; keepalived makes the FIFO for it when it is started first. */
  nodeUser: string;
  /** Command line of `mfsha` for this node, without the command. */
  mfsha: string;
  /** User that keepalived runs the check as. */
  user: string;
}

/** A check may be late by a whole start of a program on a busy machine. */
const CHECK_TIMEOUT_S = 3;

/** Throws a UsageError that says which setting keepalived would not take. */
function checkSettings({ virtualRouterId, advertMs, password, place, mail }: KeepalivedSettings): void {
  if (!Number.isInteger(virtualRouterId) || virtualRouterId < 1 || virtualRouterId > 255)
    throw new UsageError('the virtual router id is a number from 1 to 255');
  if (!Number.isInteger(advertMs) || advertMs < 10 || advertMs > 40_950)
    throw new UsageError('the interval of adverts is 10 to 40950 ms');
  if (password !== undefined && !/^[\w.,:;+=@%/-]{1,8}$/.test(password))
    throw new UsageError('keepalived uses 1 to 8 characters of a password: letters, digits, and _.,:;+=@%/-');
  for (const word of mail === undefined ? [] : [mail.to, mail.from, mail.server])
    if (!/^[\w.+=@%:-]+$/.test(word)) throw new UsageError(`'${word}' is not an address for mail`);
  if (password !== undefined && advertMs % 1000 !== 0)
    throw new UsageError('passwords need VRRPv2, which has whole seconds only: give --advert-ms 1000, or no password');
  if (priorityOf(place) < 1) throw new UsageError('too many nodes');
}

function block(head: string, lines: readonly string[]): string {
  return `${head} {\n${lines
    .flatMap((line) => line.split('\n'))
    .map((line) => (line === '' ? '' : `    ${line}`))
    .join('\n')}\n}`;
}

const seconds = (ms: number) => String(ms / 1000);

function globals(settings: KeepalivedSettings): string {
  const { mail, node, fifo, password } = settings;
  return block('global_defs', [
    `router_id ${node}`,
    'enable_script_security',
    `script_user ${settings.user}`,
    '# the node reads what keepalived decides from here: no process start in the way of a failover',
    `vrrp_notify_fifo ${fifo} ${settings.nodeUser}`,
    `vrrp_version ${password === undefined ? 3 : 2}`,
    '# after a conflict (both had the VIP) the one that keeps it says so on the wire again; and now and then anyway, should a stranger claim it',
    'vrrp_garp_master_delay 1',
    'vrrp_garp_lower_prio_delay 1',
    'vrrp_garp_master_refresh 10',
    ...(mail
      ? [block('notification_email', [mail.to]), `notification_email_from ${mail.from}`, `smtp_server ${mail.server}`]
      : []),
  ]);
}

function instance(settings: KeepalivedSettings): string {
  const { peers, multicast, password, mail } = settings;
  const advertMs = seconds(settings.advertMs);
  return block(`vrrp_instance ${INSTANCE}`, [
    '# BACKUP on every node, with nopreempt: a node that returns does not take the VIP back',
    'state BACKUP',
    'nopreempt',
    `interface ${settings.interfaceName}`,
    `virtual_router_id ${settings.virtualRouterId}`,
    `priority ${priorityOf(settings.place)}`,
    `advert_int ${advertMs}`,
    ...(password === undefined ? [] : [block('authentication', ['auth_type PASS', `auth_pass ${password}`])]),
    ...(multicast
      ? [`mcast_src_ip ${settings.address}`]
      : [
          `unicast_src_ip ${settings.address}`,
          block(
            'unicast_peer',
            peers.map((peer) => peer.address),
          ),
        ]),
    block('virtual_ipaddress', [`${formatVirtualAddress(settings.vip)} dev ${settings.interfaceName}`]),
    '# what the node and its guardian say: at once when it dies, soon when it hangs',
    block('track_file', ['mfs_weight']),
    '# should both be gone',
    block('track_script', ['mfs_check']),
    ...(mail ? ['smtp_alert'] : []),
  ]);
}

/** A complete keepalived.conf for one node. Throws a UsageError when keepalived could not run with the settings. */
export function keepalivedConfig(settings: KeepalivedSettings): string {
  checkSettings(settings);
  const { trackFile, mfsha } = settings;
  return `${[
    `# keepalived.conf of ${settings.node}, written by 'mfsha keepalived-config'. Every node has its own.`,
    globals(settings),
    block('track_file mfs_weight', [`file "${trackFile}"`, 'weight 1', 'init_file -254']),
    block('vrrp_script mfs_check', [
      `script "${mfsha} check"`,
      'interval 2',
      `timeout ${CHECK_TIMEOUT_S}`,
      'fall 2',
      'rise 1',
    ]),
    instance(settings),
  ].join('\n\n')}\n`;
}
