/** What cannot be done, with a stable `code` for programs. Losing a race is a result, never an error. */
export class HoldfastError extends Error {
  /**
   * @param {string} code as in docs/protocol.md
   * @param {string} [message]
   * @param {boolean} [retry] whether the same request, unchanged, may succeed later
   * @param {Record<string, any>} [details] facts for programs: the field, the limit, the current value
   */
  constructor(code, message = code, retry = false, details) {
    super(message);
    this.name = "HoldfastError";
    this.code = code;
    this.retry = retry;
    this.details = details;
  }
}
