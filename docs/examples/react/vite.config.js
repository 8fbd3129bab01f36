import { defineConfig } from "vite";

/** The page and Holdfast under one address, as a proxy does it in production. */
const proxy = { "/v1": { target: process.env.HOLDFAST_URL ?? "http://127.0.0.1:8700", ws: true } };

export default defineConfig({
  server: { proxy },
  preview: { proxy },
  // One React for the page and for packages that are linked, as `holdfast` is here.
  resolve: { dedupe: ["react", "react-dom"] },
});
