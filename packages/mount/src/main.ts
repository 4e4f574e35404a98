import { basename } from 'node:path';
import { connectMaster, type MasterSession, MfsError } from '@alces/client';
import { MountError } from '@alces/fuse';
import { VERSION_STRING } from '@alces/proto';
import {
  createLogger,
  detachFromStarter,
  isBackgroundProcess,
  realClock,
  realNet,
  relayBackgroundStart,
} from '@alces/runtime';
import { meteredNet } from './linkMeter.ts';
import { acceptedText } from './messages.ts';
import { startMetaMount } from './meta/mount.ts';
import { startMount } from './mount.ts';
import { prepareProcess } from './process.ts';
import type { RunningMount } from './serving.ts';
import { type CommandLine, parseCommandLine } from './settings/commandLine.ts';
import { helpText } from './settings/help.ts';
import { md5, promptPassword } from './settings/password.ts';
import { type MountSettings, mountSettings } from './settings/settings.ts';
import { UsageError } from './settings/usageError.ts';
import type { LinkStatistics } from './statistics.ts';

/** Carries a password typed at the prompt (its MD5, in hex) to the background process. */
const PROMPTED_VARIABLE = 'ALCES_MOUNT_PASSWORD_MD5';
const STOCK_BUILD = 1341;

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Asks for the password where there is a terminal: in the process that the user started. */
async function applyPrompt(line: CommandLine): Promise<void> {
  const prompted = process.env[PROMPTED_VARIABLE];
  delete process.env[PROMPTED_VARIABLE];
  if (prompted !== undefined) line.options.mfsmd5pass = prompted;
  const { mfspassword, mfsmd5pass } = line.options;
  if (!line.askPassword || mfspassword !== undefined || mfsmd5pass !== undefined) return;
  line.options.mfsmd5pass = md5(await promptPassword()).toString('hex');
  process.env[PROMPTED_VARIABLE] = line.options.mfsmd5pass;
}

function newLinkStatistics(): LinkStatistics {
  return { reconnects: 0, bytesSent: 0, bytesReceived: 0, packetsSent: 0, packetsReceived: 0, pingMicroseconds: 0 };
}

async function register(settings: MountSettings, link: LinkStatistics): Promise<MasterSession> {
  const { options, masters } = settings;
  const environment = { clock: realClock, net: meteredNet(realNet, link, () => realClock.monotonicMs()) };
  const session = {
    masters,
    info: settings.mountpoint,
    subfolder: settings.subfolder,
    meta: settings.meta,
    forgetPassword: options.mfsdonotrememberpassword,
    delayedInit: options.mfsdelayedinit,
    ioRetries: options.mfsioretries,
    timeoutMs: options.mfstimeout * 1000,
    ...(settings.passwordMd5 && { passwordMd5: settings.passwordMd5 }),
    ...(settings.bindHost !== undefined && { bindHost: settings.bindHost }),
  };
  try {
    return await connectMaster(session, environment);
  } catch (error) {
    throw new UsageError(registrationComplaint(error, settings));
  }
}

function registrationComplaint(error: unknown, { masterHost, masterPort }: MountSettings): string {
  if (error instanceof MfsError) return `mfsmaster register error: ${error.message}`;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return `can't resolve master hostname and/or portname (${masterHost}:${masterPort})`;
  }
  if (message === 'incompatible mfsmaster version') return message;
  return `can't connect to mfsmaster ("${masterHost}":"${masterPort}")`;
}

/** The first signal unmounts and saves what was written; if that takes too long for somebody, the second one ends it all. */
function endOnSignals(mount: RunningMount): void {
  let signals = 0;
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => {
      signals += 1;
      if (signals === 1) mount.unmount();
      else if (signal !== 'SIGHUP') process.exit(1);
    });
  }
}

/** Mounts and serves, in this process, until the file system is unmounted. */
async function serveUntilUnmounted(settings: MountSettings): Promise<number> {
  const link = newLinkStatistics();
  const session = await register(settings, link);
  if (!settings.options.mfsdelayedinit) say(acceptedText(session.parameters, settings.meta));
  prepareProcess(settings.options, say);
  const logger = createLogger({
    name: 'mfsmount',
    target: settings.foreground ? 'terminal' : 'syslog',
    level: settings.debug ? 'debug' : 'info',
  });
  // A defect ends the program; what it knew goes to the log first.
  process.on('uncaughtExceptionMonitor', (error) => logger.fatal({ error: error.stack }, 'mfsmount failed'));
  process.title = `mfsmount (mounted on: ${settings.mountpoint})`;
  let mount: RunningMount;
  try {
    mount = settings.meta
      ? await startMetaMount(session, settings, logger)
      : await startMount(session, settings, link, logger);
  } catch (error) {
    await session.close();
    throw error;
  }
  endOnSignals(mount);
  process.chdir('/');
  detachFromStarter(0);
  const end = await mount.finished;
  if (end.cause === 'failed') logger.error({ error: end.error }, 'the FUSE channel failed');
  return end.cause === 'failed' ? 1 : 0;
}

async function run(argv: readonly string[], program: string): Promise<number> {
  const background = isBackgroundProcess();
  const line = parseCommandLine(argv, background ? () => {} : say);
  if (line.kind === 'help') {
    process.stdout.write(helpText(program));
    return 1;
  }
  if (line.kind === 'version') {
    say(`MFS version: ${VERSION_STRING} ; build: ${STOCK_BUILD} (Alces)`);
    return 0;
  }
  await applyPrompt(line);
  // The process that stays in front has checked and remarked already.
  const settings = mountSettings(line, background ? () => {} : say);
  if (!settings.foreground && !background) return relayBackgroundStart(argv);
  return serveUntilUnmounted(settings);
}

/** `mfsmount` (spec 60 §5). Resolves with the exit status: of the start if it goes to the background, else of the whole run. */
export async function main(argv: string[], program = basename(process.argv[1] ?? 'mfsmount')): Promise<number> {
  try {
    return await run(argv, program);
  } catch (error) {
    if (error instanceof UsageError) {
      say(error.message);
      if (error.hint) say(`see: ${program} -h for help`);
      return error.exitCode;
    }
    if (error instanceof MountError) {
      say(error.message);
      return 1;
    }
    throw error;
  }
}

if (import.meta.main) process.exit(await main(process.argv.slice(2), 'mfsmount'));
