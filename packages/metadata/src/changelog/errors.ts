/** Status with which the real reader answers an unknown operation or a mismatch (spec 51 §6.3). */
const STATUS_MISMATCH = 32;

/** A change log line that cannot be understood. */
export class ChangelogError extends Error {
  override readonly name = 'ChangelogError';
  /** Byte position in the line at which reading stopped. */
  readonly position: number;
  /**
   * Undefined: a parse error, after which the real reader ignores the line. Else the status with which it stops (unknown
   * operation, wrong size of embedded data).
   */
  readonly status: number | undefined;

  constructor(position: number, reason: string, status?: number) {
    super(`${reason} (byte ${position} of the line)`);
    this.position = position;
    this.status = status;
  }

  static unknown(position: number, text: string): ChangelogError {
    return new ChangelogError(position, `unknown entry '${text}'`, STATUS_MISMATCH);
  }

  static mismatch(position: number, reason: string): ChangelogError {
    return new ChangelogError(position, reason, STATUS_MISMATCH);
  }
}
