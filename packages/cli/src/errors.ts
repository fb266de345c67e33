/** A command line that is wrong: answered with the usage line; status 125 as in Docker's command. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Too few or too many arguments: the usage line and status 1. */
export class ArgumentsError extends Error {
  override readonly name = 'ArgumentsError';
}

/** Ends the command with a status; a message is printed when it is not empty. */
export class ExitError extends Error {
  override readonly name = 'ExitError';
  readonly status: number;
  /** Printed as it is, even by commands whose errors point to their help. */
  readonly plain: boolean;

  constructor(status: number, message = '', options: { readonly plain?: boolean } = {}) {
    super(message);
    this.status = status;
    this.plain = options.plain ?? false;
  }
}
