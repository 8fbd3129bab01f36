/** Tools that run on this device: each call of one is run once here, and its output is the answer. */

/** @typedef {import("./session.js").Session["session"]} Session */
/** @typedef {import("./session.js").ShownInterrupt} ShownInterrupt */
/** @typedef {(input: any, context: {signal: AbortSignal, interrupt: ShownInterrupt}) => any} Handler */

export const createHandlers = () => {
  /** @type {Map<string, Handler>} */
  const handlers = new Map();
  /** Interrupt → how to stop what was begun for it. @type {Map<string, AbortController>} */
  const begun = new Map();

  /** @param {Handler} handler @param {ShownInterrupt} interrupt @param {Session} session */
  const run = (handler, interrupt, session) => {
    const { id, input } = interrupt;
    const stop = new AbortController();
    const { signal } = stop;
    begun.set(id, stop);
    /** @param {any} payload */
    const answer = (payload) => (signal.aborted ? undefined : session.answer(id, payload));
    (async () => handler(input, { signal, interrupt }))()
      .then((output = null) => answer({ output }))
      // Also if the output was refused: nobody else would tell the agent.
      .catch((error) => answer({ error: `${error?.message ?? error}` }))
      .catch(() => {});
  };

  return {
    /** @param {string} tool @param {Handler} handler */
    set: (tool, handler) => {
      handlers.set(tool, handler);
      return () => {
        handlers.delete(tool);
      };
    },

    /** Look at what a session asks now. @param {Session} session */
    look: (session) => {
      for (const interrupt of session.getSnapshot().interrupts) {
        const { id, kind, toolName = "", decision, canAnswer, sending } = interrupt;
        const handler = handlers.get(toolName);
        if (decision) begun.get(id)?.abort(); // settled elsewhere
        else if (handler && kind === "client_tool" && canAnswer && !sending && !begun.has(id)) {
          run(handler, interrupt, session);
        }
      }
    },
  };
};
