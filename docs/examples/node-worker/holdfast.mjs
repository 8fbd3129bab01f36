// A worker for Holdfast over HTTP, in one file without dependencies: copy it, or write the same in your language.
// The protocol is in docs/protocol.md, "Workers over HTTP".

const PAUSE_MS = [200, 10_000]; // between two tries: the first, and the longest
const CHUNKS_MAX = 100; // of one append

/** Ends the run of the agent's function: it is run again from the top once there is an answer. Do not catch it. */
class Waits extends Error {}
/** Somebody asked that the turn end. */
class Stopped extends Error {}
/** The turn is another worker's: nothing more may be written for it. */
class LeaseOver extends Error {}

/**
 * Run the turns of these agents until the process is asked to end.
 * `token`: a text, or a function that gives one, with the right `work`.
 * `agents`: by name `{version, tools: {name: {description, inputSchema, rules, kind}}, run(turn)}`.
 */
export async function work({ url, token, agents, slots = 4, log = () => {} }) {
  const ending = new AbortController();
  const end = () => ending.abort();
  for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, end);
  const api = new Api(url, token);
  for (const [name, { version = "1", tools = {} }] of Object.entries(agents)) {
    await api.insist("PUT", `agents/${name}`, { version, tools: Object.entries(tools).map(manifest) });
  }
  const wanted = Object.entries(agents).map(([agent, { version = "1" }]) => ({ agent, version }));
  log("ready");
  const turns = new Set();
  ending.signal.addEventListener("abort", () => turns.forEach((turn) => turn.letGo()));
  const slot = async () => {
    while (!ending.signal.aborted) {
      const lease = await api.insist("POST", "leases", { agents: wanted, wait: "30s" }, ending.signal).catch((error) => {
        if (!ending.signal.aborted) throw error; // no right, or no such agent any more: nothing that would pass
      });
      if (!lease) continue;
      const turn = new Turn(api, lease);
      turns.add(turn);
      log("leased", turn.id);
      await carry(turn, agents[lease.agent].run, log);
      turns.delete(turn);
    }
  };
  await Promise.all(Array.from({ length: slots }, slot));
}

const manifest = ([name, { description, inputSchema, outputSchema, rules, kind }]) => ({
  name, description, inputSchema, outputSchema, rules, kind,
});

/** One turn, from its lease to its end, or to where all of it waits. */
async function carry(turn, run, log) {
  const stop = turn.beat();
  try {
    while (!(await once(turn, run))) await turn.again(); // the last answer came before the turn let go: it goes on here
    log("let go", turn.id);
  } catch (error) {
    log(error instanceof LeaseOver ? "lost" : "broken", turn.id, error.message);
  } finally {
    stop();
  }
}

/** Whether that was all for now. */
async function once(turn, run) {
  try {
    await turn.finish({ result: (await run(turn)) ?? null });
  } catch (error) {
    if (error instanceof LeaseOver) throw error;
    if (error instanceof Waits) return (await turn.write("wait")).status !== "running";
    if (error instanceof Stopped || turn.cancelled) await turn.finish({});
    else await turn.finish({ error: { message: `${error.name}: ${error.message}`.slice(0, 2000) } });
  }
  return true;
}

/** What an agent's function works with. It is run again from the top after a wait: what is recorded comes back at once. */
class Turn {
  #api;
  #lease;
  #number;
  #until; // by our clock: another may have it from then on
  #counts = new Map();
  #known;
  #op;
  #queue = Promise.resolve();
  #chunks = [];
  #flushing = null;
  #stopping = new AbortController();
  #over = null;

  constructor(api, lease) {
    this.#api = api;
    this.#lease = lease;
    this.#number = lease.number;
    this.#until = Date.now() + lease.leaseMs;
    this.#take(lease.operations ?? [], lease.op);
    if (lease.cancel) this.#stopping.abort(new Stopped("cancelled"));
  }

  get id() { return this.#lease.turn; }
  get session() { return this.#lease.session; }
  get message() { return this.#lease.message; }
  get input() { return this.#lease.input; }
  get history() { return this.#lease.history ?? []; }
  get notes() { return this.#lease.notes ?? []; }
  /** For whatever streams: aborted when somebody cancels, or the lease is lost. */
  get signal() { return this.#stopping.signal; }
  get cancelled() { return this.signal.reason instanceof Stopped; }

  // Streaming: what comes while a request is under way goes with the next one.

  /** Stream one chunk of the AI SDK under `op`. Resolves when there is room for more. */
  async emit(chunk, op = this.#op) {
    this.#check();
    this.#chunks.push({ chunk, op });
    const drained = this.#drained();
    drained.catch(() => {}); // said by the next operation
    if (this.#chunks.length > 1000) await drained;
  }

  /** Stream a text of the agent's own. */
  text(text) {
    return this.stream("text", async (emit) => {
      await emit({ type: "text-start", id: "own" });
      await emit({ type: "text-delta", id: "own", delta: text });
      await emit({ type: "text-end", id: "own" });
    });
  }

  /** Resolves when all that was streamed is written. */
  #drained() {
    if (this.#chunks.length) this.#flushing ??= this.#flush().finally(() => (this.#flushing = null));
    return this.#flushing;
  }

  async #flush() {
    while (this.#chunks.length) {
      const { op } = this.#chunks[0];
      const of = this.#chunks.findIndex((one) => one.op !== op);
      const count = Math.min(of < 0 ? this.#chunks.length : of, CHUNKS_MAX);
      const chunks = this.#chunks.slice(0, count).map((one) => one.chunk);
      await this.#send("append", { chunks, op });
      this.#chunks.splice(0, count);
    }
  }

  // Operations: each is done once, and found again under its key.

  /** Stream what `produce(emit)` says, and keep what it returns. */
  async stream(name, produce) {
    return this.#kept("stream", name, (key) => produce((chunk) => this.emit(chunk, key)));
  }

  /** Do something, and keep what it gives. Until that is recorded it may be done again. */
  async step(name, fn) {
    return this.#kept("step", name, fn);
  }

  async #kept(kind, name, fn) {
    const nth = this.#counted(kind, name);
    const known = this.#known.get(`${kind}:${name}:${nth}`);
    if (known?.outcome === "done") return known.value;
    if (known) throw new Error(known.reason);
    const value = (await fn(`${kind}:${name}:${nth}`)) ?? null;
    return (await this.write("record", { kind, name, nth, value })).operation.value ?? null;
  }

  /** Call a tool: `{outcome, value, reason, input, decision}`. `rules` for this call: `approval`, `expires`, `approvers` … */
  async call(tool, input, execute, rules = {}) {
    const nth = this.#counted("tool", tool);
    const asked = await this.write("call", { ...rules, tool, input, nth });
    if (asked.do !== "run") return this.#outcome(asked);
    if (Date.now() >= this.#until) throw this.#lost("by its own clock");
    const { key, input: effective, idempotencyKey } = asked.operation;
    const ended = await Promise.resolve()
      .then(() => execute(effective, { idempotencyKey, signal: this.signal }))
      .then((output) => ({ output: output ?? null }), (error) => ({ error: String(error?.message ?? error) }));
    return this.#outcome(await this.write("result", { key, ...ended }));
  }

  /** Ask people: `{kind: "question" | "form" | "gate", …}`. */
  async ask(asked) {
    const nth = this.#counted(asked.kind, asked.name ?? "");
    return this.#outcome(await this.write("ask", { ...asked, nth }));
  }

  /** Several at once. Each goes as far as it can before the turn waits for the rest. */
  async all(performing) {
    const settled = await Promise.allSettled(performing);
    const failed = settled.filter((one) => one.status === "rejected").map((one) => one.reason);
    if (failed.length) throw failed.find((error) => !(error instanceof Waits)) ?? failed[0];
    return settled.map((one) => one.value);
  }

  #outcome({ do: next, operation }) {
    if (next === "wait") throw new Waits();
    if (next === "stop") throw new Stopped("cancelled");
    return operation;
  }

  #counted(kind, name) {
    const count = (this.#counts.get(`${kind}:${name}`) ?? 0) + 1;
    this.#counts.set(`${kind}:${name}`, count);
    return count;
  }

  // The lease.

  /** Keep the lease until the returned function is called. */
  beat() {
    const timer = setInterval(() => this.#send("append", {}).catch(() => {}), this.#lease.leaseMs / 3);
    return () => clearInterval(timer);
  }

  /** The function is run again from the top, with what is recorded by now. */
  async again() {
    const { operations } = await this.#api.insist("GET", `turns/${this.id}/operations`);
    this.#take(operations, this.#op);
  }

  /** End the turn. */
  finish(end) {
    return this.write("finish", end);
  }

  /** The process ends: the next worker goes on with what is recorded. */
  letGo() {
    this.#send("release", {}).then(() => this.#lost("let go"), () => {});
  }

  #take(operations, op) {
    this.#known = new Map(operations.map((one) => [one.key, one]));
    this.#counts.clear();
    this.#op = op;
  }

  /** A write, after all that was streamed before it. */
  async write(verb, body = {}) {
    await this.#drained();
    const told = await this.#send(verb, body);
    this.#op = told.op ?? this.#op;
    return told;
  }

  /** One write at a time, each with its number; repeated until its outcome is known. */
  #send(verb, body) {
    const sent = this.#queue.then(async () => {
      if (this.#over) throw this.#over;
      const begun = Date.now();
      const named = { ...body, fence: this.#lease.fence, number: this.#number + 1 };
      const told = await this.#api.insist("POST", `turns/${this.id}/${verb}`, named);
      this.#number = told.number;
      this.#lease.fence = told.fence;
      if (verb === "append") this.#until = begun + this.#lease.leaseMs;
      if (told.cancel && !this.signal.aborted) this.#stopping.abort(new Stopped("cancelled"));
      return told;
    });
    this.#queue = sent.catch((error) => {
      if (error.code === "lease_over") this.#lost(error.message);
    });
    return sent.catch((error) => {
      throw this.#over ?? error;
    });
  }

  #check() {
    if (this.#over) throw this.#over;
    if (this.cancelled) throw new Stopped("cancelled");
  }

  #lost(why) {
    this.#over ??= new LeaseOver(why);
    this.#stopping.abort(this.#over);
    return this.#over;
  }
}

/** Requests, repeated as long as that may help. */
class Api {
  constructor(url, token) {
    this.base = `${url.replace(/\/$/, "")}/v1/work/`;
    this.token = typeof token === "function" ? token : () => token;
  }

  async insist(method, path, body, signal) {
    for (let pause = PAUSE_MS[0]; ; pause = Math.min(2 * pause, PAUSE_MS[1])) {
      const { answer, refused } = await this.#ask(method, path, body, signal);
      if (!refused) return answer;
      if (!refused.retry || signal?.aborted) throw refused;
      await new Promise((resume) => setTimeout(resume, Math.random() * pause));
    }
  }

  async #ask(method, path, body, signal) {
    try {
      const headers = { authorization: `Bearer ${await this.token()}`, "content-type": "application/json" };
      const response = await fetch(this.base + path, { method, headers, signal, body: body && JSON.stringify(body) });
      if (response.ok) return { answer: response.status === 204 ? null : await response.json() };
      const problem = await response.json().catch(() => ({ detail: response.statusText, retry: response.status >= 502 }));
      const { code, detail, retry } = problem;
      return { refused: Object.assign(new Error(detail), { code, retry }) };
    } catch (error) {
      return { refused: Object.assign(error, { retry: true }) }; // no reply: it may have been carried out
    }
  }
}
