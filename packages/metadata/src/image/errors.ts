/** An image that cannot be used: what is wrong, in which part, and where in the file. Nothing was changed. */
export class ImageError extends Error {
  override readonly name = 'ImageError';
  /** Section tag, or `header` / `structure`. */
  readonly section: string;
  /** Byte position in the file at which the offending record begins; undefined if it has no place. */
  readonly offset: number | undefined;

  constructor(section: string, offset: number | undefined, reason: string) {
    super(offset === undefined ? `${section}: ${reason}` : `${section} at byte ${offset}: ${reason}`);
    this.section = section;
    this.offset = offset;
  }
}
