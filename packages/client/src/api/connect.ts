import { type Environment, realEnvironment } from '@alces/runtime';
import { createDataEngine } from '../data/dataEngine.ts';
import { connectMaster } from '../session/connectMaster.ts';
import type { Caller, DataOptions, SessionOptions } from '../types.ts';
import { Client } from './client.ts';
import { Resolver } from './resolver.ts';

export interface ClientOptions extends DataOptions, Partial<Omit<SessionOptions, keyof DataOptions>> {
  /** Whose rights to use; default: the process's user and groups. */
  readonly caller?: Caller;
  /** Permission bits taken from new nodes; default 0o022. */
  readonly umask?: number;
  /** How long a directory on a path need not be looked up again, default 1000 ms. */
  readonly directoryCacheMs?: number;
}

const DEFAULT_MASTER = 'mfsmaster';
const DEFAULT_UMASK = 0o022;
const DIRECTORY_CACHE_MS = 1000;

function callerOfProcess(): Caller {
  const gid = process.getgid?.() ?? 0;
  const others = (process.getgroups?.() ?? []).filter((group) => group !== gid);
  return { uid: process.getuid?.() ?? 0, gids: [gid, ...others] };
}

/** Connects to a cluster. `masters` are alternatives, default `mfsmaster`. */
export async function connect(
  options: ClientOptions = {},
  environment: Pick<Environment, 'clock' | 'net'> = realEnvironment(),
): Promise<Client> {
  const info = options.info ?? `[alces client, process ${process.pid}]`;
  const session = await connectMaster({ ...options, masters: options.masters ?? [DEFAULT_MASTER], info }, environment);
  const data = createDataEngine(session, options, environment);
  const caller = options.caller ?? callerOfProcess();
  const cacheMs = options.directoryCacheMs ?? DIRECTORY_CACHE_MS;
  const paths = new Resolver(session, caller, environment.clock, cacheMs);
  return new Client(session, data, paths, caller, options.umask ?? DEFAULT_UMASK);
}
