import { execFile } from 'node:child_process';
import { statSync, utimesSync, writeFileSync } from 'node:fs';

/** Helpers are looked at that often, however often the check runs. */
const LOOK_EVERY_MS = 15_000;
const LOOK_TIMEOUT_MS = 5_000;
const START_TIMEOUT_MS = 60_000;

/** The command lines in CHECK_RESTART: `mfschunkserver, mfscgiserv -P 9425`; each is given the actions `test` and `start`. */
export function helperCommands(text: string): string[][] {
  return text
    .split(',')
    .map((part) => part.trim().split(/\s+/).filter(Boolean))
    .filter((words) => words.length > 0);
}

/** True when the last look was long enough ago; notes the present one. */
function isDue(stamp: string, nowMs: number): boolean {
  const last = statSync(stamp, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  // A stamp of the future is one from before the clock was set.
  if (nowMs - last < LOOK_EVERY_MS && last <= nowMs) return false;
  writeFileSync(stamp, '', { flag: 'a' });
  utimesSync(stamp, nowMs / 1000, nowMs / 1000);
  return true;
}

function run(words: readonly string[], timeoutMs: number): Promise<{ status: number; output: string }> {
  const [program, ...args] = words;
  return new Promise((resolve) => {
    execFile(program, args, { timeout: timeoutMs, killSignal: 'SIGKILL' }, (error, stdout, stderr) => {
      const status = error === null ? 0 : typeof error.code === 'number' ? error.code : 128;
      resolve({ status, output: (stdout + stderr).trim() || (error?.message ?? '') });
    });
  });
}

/** `test` of a daemon exits with 0 whether it runs or not in some versions; what it says decides. */
async function isRunning(words: readonly string[]): Promise<boolean> {
  const { status, output } = await run([...words, 'test'], LOOK_TIMEOUT_MS);
  return status === 0 && !/not running|can't find|isn't running|not found/i.test(output);
}

/**
 * Starts those of the helper daemons that do not run. Answers what was done, a line each; nothing when all run or the last look was less than
 * 15 s ago (`stamp` is the file that remembers it).
 */
export async function restartHelpers(text: string, stamp: string, nowMs: number): Promise<string[]> {
  const helpers = helperCommands(text);
  if (helpers.length === 0 || !isDue(stamp, nowMs)) return [];
  const done: string[] = [];
  for (const words of helpers) {
    if (await isRunning(words)) continue;
    const { status, output } = await run([...words, 'start'], START_TIMEOUT_MS);
    done.push(
      status === 0 ? `${words[0]} did not run: started` : `${words[0]} does not run and can't be started: ${output}`,
    );
  }
  return done;
}
