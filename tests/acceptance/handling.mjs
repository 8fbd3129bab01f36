// A device in JavaScript, in a process of its own: it runs the calls of one tool and gives back what it was told to.
//
//     node --experimental-websocket handling.mjs URL TOKEN SESSION OUTPUT

import { connect } from "../../client_js/src/index.js";

const [url, token, session, output] = process.argv.slice(2);
const client = connect({ url, token });
client.handle("anything", (_input, { progress }) => {
  progress("begun");
  return JSON.parse(output);
});
client.session(session).attach();
