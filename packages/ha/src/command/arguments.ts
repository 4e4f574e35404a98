import { parseArgs } from 'node:util';
import { reasonOf } from '@alces/runtime';

export const USAGE = `usage: mfsha [-c FILE | -s SOCKET] COMMAND

this node and its peers:
  status [--json]             role, epoch, version, lag, peers
  history [-n COUNT] [--json] what happened to the journal on this node, oldest first
  check [--verbose]           is the node fit to lead? For vrrp_script and monitoring
  promote [--force] [--wait S]  lead, and serve; answers when it does
  demote                      stop serving at once, follow
  switch [NODE]               planned switch: NODE leads (default: the first that is up to date); no client sees an error
  maintenance on|off          on: the VIP moves away, the node does not lead
  resolve --discard-my-data   after a split brain: set this node's own changes aside and follow

keepalived:
  notify master|backup|fault|stop             for notify_master and so on
  notify INSTANCE|GROUP NAME STATE [PRIORITY]  for notify, with keepalived's own arguments
  keepalived-config [options]  complete keepalived.conf for this node
      --interface NAME   --vip ADDRESS/BITS   --router-id N (51)   --advert-ms MS (100)   --multicast
      --auth-pass WORD (VRRPv2: adverts of whole seconds)   --mail-to ADDRESS [--mail-from ADDRESS] [--smtp HOST]

  -c FILE    mfsha.cfg (default: /etc/mfs/mfsha.cfg)
  -s SOCKET  control socket of the node; nothing is read from mfsha.cfg then
  -h         this text

exit status: 0 done, or fit; 1 refused, failed, or unfit; 2 the command line or a file is wrong; 3 the node does not run
`;

export const OPTIONS = {
  config: { type: 'string', short: 'c' },
  socket: { type: 'string', short: 's' },
  help: { type: 'boolean', short: 'h' },
  json: { type: 'boolean' },
  verbose: { type: 'boolean', short: 'v' },
  force: { type: 'boolean' },
  wait: { type: 'string' },
  count: { type: 'string', short: 'n' },
  'discard-my-data': { type: 'boolean' },
  interface: { type: 'string' },
  vip: { type: 'string' },
  'router-id': { type: 'string' },
  'advert-ms': { type: 'string' },
  multicast: { type: 'boolean' },
  'auth-pass': { type: 'string' },
  'mail-to': { type: 'string' },
  'mail-from': { type: 'string' },
  smtp: { type: 'string' },
} as const;

/** A mistake on the command line or in a file; exit status 2. */
export class UsageError extends Error {}

/** A mistake in a file. */
export class FileMistake extends UsageError {}

export function parseCommandLine(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    // Node's message goes on about arguments that begin with '-'.
    const message = reasonOf(error);
    throw new UsageError(message.replace(/\. To specify a positional argument.*/s, ''));
  }
}

export type CommandOptions = ReturnType<typeof parseCommandLine>['values'];

/** A whole number of an option, or its default; throws a UsageError when it is none or out of range. */
export function numberOption(
  name: string,
  text: string | undefined,
  fallback: number,
  min: number,
  max: number,
): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < min || value > max)
    throw new UsageError(`${name} ${text}: a number from ${min} to ${max}`);
  return value;
}
