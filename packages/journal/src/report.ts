/** Where messages for the operator go: the log of a daemon, the error output of a tool. */
export interface Reporter {
  /** Normal progress: shown at the start, and in the log. */
  info(text: string): void;
  warn(text: string): void;
  error(text: string): void;
}
