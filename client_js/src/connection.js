/**
 * One socket, from its opening to its end: it says who it is, watches that the other side is alive, and
 * reports its end exactly once. What to do about that end is for `reconnect.js`.
 */

/** @typedef {{type: string, [field: string]: any}} Frame */
/** @typedef {string | (() => string | Promise<string>)} Token */

/**
 * @typedef {object} Link what can be sent to
 * @property {(frame: Frame) => void} send nothing happens if it is not open
 * @property {() => void} probe find out now whether the other side is alive
 * @property {() => void} close
 */

/**
 * @typedef {object} Listener
 * @property {(welcome: Frame) => void} opened
 * @property {(frame: Frame) => void} frame
 * @property {(code: number, reason: string) => void} closed
 */

/**
 * @typedef {object} LinkOptions
 * @property {string} url where the server is: `https://agents.example.com`, or with the path it is mounted at
 * @property {Token} [token] a function is called again for each connection; none where cookies say who is there
 * @property {typeof WebSocket} [WebSocket] of which to make one; the platform's own, if not given
 * @property {boolean} [useHello] give the token in a first frame, where a proxy logs or breaks subprotocols
 * @property {string} [device] how others see this device ("Alice's phone"); given in the first frame too
 */

const SUBPROTOCOL = "holdfast.v1";
const CONNECT_MS = 10_000; // as long as the server waits for who it is
const PING_MS = 25_000; // of silence; proxies cut what is silent for 30 to 60 s
const PONG_MS = 8_000; // what a phone's radio may need to wake up
const PROTOCOL_ERROR = 1002;
const LOST = 1006; // what a browser reports for a connection that broke

/**
 * Open a connection; it can be used once `listener.opened` was called.
 *
 * @param {LinkOptions} options
 * @param {Listener} listener
 * @returns {Link}
 */
export const connection = (options, listener) => {
  const { WebSocket = globalThis.WebSocket, token, device } = options;
  const useHello = options.useHello || device;
  /** @type {WebSocket | undefined} */
  let socket;
  let open = false;
  let ended = false;

  /** @param {number} code @param {string} reason */
  const end = (code, reason) => {
    if (ended) return;
    ended = true;
    open = false;
    clearTimeout(timer);
    socket?.close();
    listener.closed(code, reason);
  };

  /** @param {() => void} task @param {number} ms */
  const next = (task, ms) => {
    clearTimeout(timer);
    timer = setTimeout(task, ms);
  };

  const silent = () => end(LOST, "no answer");
  let timer = setTimeout(silent, CONNECT_MS);

  /** @param {Frame} frame */
  const send = (frame) => open && socket?.send(encode(frame));

  const probe = () => {
    if (!open) return;
    send({ type: "ping" });
    next(silent, PONG_MS);
  };

  /** @param {{data: string}} message */
  const receive = ({ data }) => {
    if (ended) return;
    const frame = JSON.parse(data);
    const welcome = frame.type === "welcome";
    open ||= welcome;
    if (open) next(probe, PING_MS);
    listener[welcome ? "opened" : "frame"](frame);
  };

  /** @param {string} [secret] */
  const dial = (secret) => {
    if (ended) return;
    const protocols = secret && !useHello ? [SUBPROTOCOL, secret] : [SUBPROTOCOL];
    const own = new WebSocket(addressOf(options.url, "ws", "ws"), protocols);
    own.onopen = () => useHello && own.send(encode({ type: "hello", token: secret, device }));
    own.onmessage = receive;
    own.onclose = ({ code, reason }) => end(code, reason);
    socket = own;
  };

  // An address or a token that cannot be one will not become one; all else may pass.
  secretOf(token)
    .then(dial)
    .catch((error) => end(error?.name === "SyntaxError" ? PROTOCOL_ERROR : LOST, `${error}`));
  return { send, probe, close: () => end(1000, "") };
};

/** @param {Token} [token] */
export const secretOf = async (token) => (typeof token === "function" ? token() : token);

/** As JSON, with half a character as U+FFFD: no server takes it. @param {Frame} frame */
const encode = (frame) => JSON.stringify(frame, (_, value) => (typeof value === "string" ? /** @type {any} */ (value).toWellFormed() : value));

/** The address of a part of the server. @param {string} url @param {string} scheme @param {string} part */
export const addressOf = (url, scheme, part) => url.replace(/^(http|ws)/, scheme).replace(/\/?$/, `/v1/${part}`);
