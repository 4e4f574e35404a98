/** A payload that does not have the form its message declares. The connection it came from must be closed (spec 00 §1.4). */
export class DecodeError extends Error {
  override readonly name = 'DecodeError';
  /** Name of the message that was being decoded. */
  readonly messageName: string;

  constructor(messageName: string, reason: string) {
    super(`${messageName}: ${reason}`);
    this.messageName = messageName;
  }
}

/** A value handed to an encoder that its field cannot hold: a defect of the calling code, never of the peer. */
export class EncodeError extends Error {
  override readonly name = 'EncodeError';
}

/** A header announced more payload bytes than the receiver accepts (spec 00 §1.3). The connection must be closed. */
export class FrameTooLong extends Error {
  override readonly name = 'FrameTooLong';
  readonly type: number;
  readonly lengthBytes: number;
  readonly limitBytes: number;

  constructor(type: number, lengthBytes: number, limitBytes: number) {
    super(`message ${type} announces ${lengthBytes} bytes, more than the limit of ${limitBytes}`);
    this.type = type;
    this.lengthBytes = lengthBytes;
    this.limitBytes = limitBytes;
  }
}
