import { useState, useSyncExternalStore } from "react";
import { HoldfastProvider, useClient, useInbox, useInterrupts, useSession } from "holdfast/react";

export const App = ({ client }) => (
  <HoldfastProvider client={client}>
    <Desk />
  </HoldfastProvider>
);

/** Which conversation is shown stands in the address, beside the token: the link can be opened on another device. */
const fromAddress = () => new URLSearchParams(location.hash.slice(1));
const open = (id) => {
  const next = fromAddress();
  next.set("session", id);
  location.hash = next;
};
const onAddress = (listener) => {
  addEventListener("hashchange", listener);
  return () => removeEventListener("hashchange", listener);
};

const Desk = () => {
  const id = useSyncExternalStore(onAddress, () => fromAddress().get("session"), () => null);
  const client = useClient();
  const start = async (message) => open((await client.start("support", { message })).id);
  return (
    <main>
      <Waiting />
      {id && <Conversation id={id} />}
      <Composer id={id} onStart={start} />
    </main>
  );
};

const Waiting = () => {
  const { interrupts } = useInbox();
  return (
    <nav aria-label="Waiting">
      {interrupts.map((card) => (
        <button key={card.id} onClick={() => open(card.session)}>
          {card.toolName ?? card.kind}
        </button>
      ))}
    </nav>
  );
};

const Conversation = ({ id }) => {
  const { connection, messages, unsent, devices, turn, error } = useSession(id);
  if (error) return <p role="alert">{error.message}</p>;
  return (
    <section>
      <p role="status">
        {connection}, {devices.length} devices{turn && `, ${turn.status}`}
      </p>
      {[...messages, ...unsent].map((message) => (
        <Message key={message.id} message={message} />
      ))}
      <Cards id={id} />
    </section>
  );
};

const Message = ({ message: { role, parts } }) => (
  <p className={role} style={{ whiteSpace: "pre-wrap" }}>
    {parts.map(({ text }) => text).join("")}
  </p>
);

/** Rendered again when a card opens, changes or closes, and not for each word that is streamed. */
const Cards = ({ id }) => useInterrupts(id).map((card) => <Card key={card.id} card={card} />);

const Card = ({ card }) => {
  const [problem, tell] = useState("");
  const say = (answered) =>
    answered.then(
      ({ outcome, decision }) => outcome === "lost" && tell(`${decision.by.name ?? decision.by.id} was faster.`),
      ({ message }) => tell(message),
    );
  return (
    <article aria-label={card.toolName ?? card.kind}>
      <p>{card.message ?? card.toolName}</p>
      <pre>{JSON.stringify(card.input, null, 2)}</pre>
      <button disabled={!card.canAnswer || card.sending} onClick={() => say(card.approve())}>
        Approve
      </button>
      <button disabled={!card.canAnswer || card.sending} onClick={() => say(card.deny())}>
        Deny
      </button>
      <p role="alert">{problem}</p>
    </article>
  );
};

const Composer = ({ id, onStart }) => {
  const { send } = useSession(id);
  const submit = (event) => {
    event.preventDefault();
    const { message } = event.target.elements;
    if (id) send(message.value);
    else onStart(message.value);
    message.value = "";
  };
  return (
    <form onSubmit={submit}>
      <input name="message" aria-label="Message" autoComplete="off" />
      <button>Send</button>
    </form>
  );
};
