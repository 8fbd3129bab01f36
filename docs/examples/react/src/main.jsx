import { StrictMode } from "react";
import { createRoot, hydrateRoot } from "react-dom/client";
import { connect } from "holdfast";

import { App } from "./App.jsx";

const given = new URLSearchParams(location.hash.slice(1)); // as in the link that `holdfast dev` prints
const client = connect({ url: location.origin, token: given.get("token") ?? "" });

const root = document.getElementById("root");
const page = (
  <StrictMode>
    <App client={client} />
  </StrictMode>
);
if (root.firstElementChild) hydrateRoot(root, page); // a server made it
else createRoot(root).render(page);
