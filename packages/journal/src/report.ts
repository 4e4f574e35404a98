/** Where messages for the operator go: the log of a daemon, the error output of a tool. */
export interface Reporter {
  /** Normal progress: shown at the start, and in the log. */
  info(text: string): void;
  warn(text: string): void;
  error(text: string): void;
}

/** Text of whatever was thrown. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Whether an error of the disk says that there is no such file. */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
