import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';

/** Mounting or unmounting failed; the message is the helper program's. */
export class MountError extends Error {
  override name = 'MountError';
}

export interface HelperOutcome {
  ok: boolean;
  message: string;
}

/** Runs a helper program to its end and keeps what it said. */
export function runHelper(command: string, args: readonly string[], stdio: StdioOptions, env?: NodeJS.ProcessEnv) {
  return new Promise<HelperOutcome>((resolve) => {
    const child: ChildProcess = spawn(command, args, { stdio, env: { ...process.env, LC_ALL: 'C', ...env } });
    let message = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      message += text;
    });
    child.on('error', (error) => resolve({ ok: false, message: `${command}: ${error.message}` }));
    child.on('close', (code) =>
      resolve({ ok: code === 0, message: message.trim() || `${command} exited with ${code}` }),
    );
  });
}
