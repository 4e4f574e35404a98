/** A command line that can't be used: the complaint, and whether a hint at the help follows it. */
export class UsageError extends Error {
  override name = 'UsageError';
  readonly hint: boolean;
  readonly exitCode: number;

  constructor(message: string, { hint = false, exitCode = 1 }: { hint?: boolean; exitCode?: number } = {}) {
    super(message);
    this.hint = hint;
    this.exitCode = exitCode;
  }
}
