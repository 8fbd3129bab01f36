"""The example in React as a bundler builds it: with the client as npm packs it, on React 19 and 18, two devices."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.acceptance.cluster import free_port
from tests.browser.conftest import AGENT, ROOT, Device, Mortal

EXAMPLE = ROOT / "docs/examples/react"
INSTALLED = ROOT / "tests/ecosystem/node_modules"
NODE = str(ROOT / ".venv/bin/node")
PATIENCE_MS = 20_000  # for a reconnect: of several tries, the pauses grow

SERVER_ENTRY = """
import { createElement } from "react";
import { renderToString } from "react-dom/server";
import { App } from "./App.jsx";
process.stdout.write(renderToString(createElement(App, { client: null })));
"""

# Many readers of one session. Half of them render for reasons of their own, some of them as a transition, and slowly.
TEARING = """
import { StrictMode, startTransition, useEffect, useLayoutEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import { connect } from "holdfast";
import { HoldfastProvider, useSession } from "holdfast/react";

const given = new URLSearchParams(location.hash.slice(1));
const client = connect({ url: location.origin, token: given.get("token") });
const session = client.session(given.get("session"));
const seen = (window.seen = { commits: 0, torn: 0, texts: new Set() });
const length = ({ messages }) => JSON.stringify(messages).length;

const look = () => {
  const shown = new Set([...document.querySelectorAll("[data-reader]")].map((each) => each.textContent));
  seen.commits++;
  if (shown.size > 1) seen.torn++;
  for (const text of shown) seen.texts.add(text);
};
new MutationObserver(look).observe(document, { subtree: true, childList: true, characterData: true });

const Reader = ({ restless }) => {
  const [, again] = useState(0);
  useEffect(() => {
    if (!restless) return;
    const render = () => again((n) => n + 1);
    const timer = setInterval(() => (restless % 2 ? startTransition(render) : render()), 3);
    return () => clearInterval(timer);
  }, [restless]);
  const shown = useSession(session.id, length);
  const until = performance.now() + 0.3;
  while (performance.now() < until);
  useLayoutEffect(look);
  return <li data-reader="">{shown}</li>;
};

const State = () => {
  const { connection, turn, send } = useSession(session.id);
  return <p role="status" onClick={() => send("What can you do?")}>{connection} {turn?.status}</p>;
};

createRoot(document.getElementById("root")).render(
  <StrictMode>
    <HoldfastProvider client={client}>
      <State />
      {Array.from({ length: 20 }, (_, i) => <Reader key={i} restless={i % 4} />)}
    </HoldfastProvider>
  </StrictMode>,
);
"""


# Parts of a session, each in a component of its own that counts how often it renders; and what is sent for them.
PARTS = """
import { StrictMode, useRef, useState } from "react";
import { createRoot } from "react-dom/client";
import { connect } from "holdfast";
import { HoldfastProvider, useInterrupts, useSession } from "holdfast/react";

const given = new URLSearchParams(location.hash.slice(1));
const id = given.get("session");
window.sent = [];
class Listened extends WebSocket {
  send(frame) {
    window.sent.push(JSON.parse(frame).type);
    super.send(frame);
  }
}
const client = connect({ url: location.origin, token: given.get("token"), WebSocket: Listened });

const Counted = ({ name, shown }) => {
  const renders = useRef(0);
  renders.current++;
  return <output aria-label={name} data-renders={renders.current}>{shown}</output>;
};
const words = ({ messages }) => messages.flatMap(({ parts }) => parts.map(({ text }) => text)).join("");
const Whole = () => <Counted name="whole" shown={words(useSession(id))} />;
const status = ({ turn }) => turn?.status;
const Selected = () => <Counted name="selected" shown={useSession(id, status)} />;
const Inline = () => <Counted name="inline" shown={useSession(id, ({ turn }) => turn?.status)} />;
const Filtered = () => {
  const cards = useInterrupts(id, ({ kind, decision }) => kind === "approval" && !decision);
  return <Counted name="filtered" shown={cards.map(({ toolName }) => toolName).join()} />;
};
const Parts = () => (
  <>
    <Whole />
    <Selected />
    <Inline />
    <Filtered />
  </>
);
const Page = () => {
  const [isThere, set] = useState(true);
  return (
    <>
      <button onClick={() => set(!isThere)}>{isThere ? "Take away" : "Put back"}</button>
      {isThere && <Parts />}
    </>
  );
};

createRoot(document.getElementById("root")).render(
  <StrictMode>
    <HoldfastProvider client={client}>
      <Page />
    </HoldfastProvider>
  </StrictMode>,
);
"""


def node(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    environ = os.environ | {"PATH": f"{ROOT / '.venv/bin'}:{os.environ['PATH']}"} | (env or {})
    done = subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module", params=["react", "react-18"], ids=["react-19", "react-18"])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, built as for a reader who installed its packages; its start page was rendered by a server."""
    folder = tmp_path_factory.mktemp("example") / "react"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("node_modules", "dist"))
    packages = folder / "node_modules"
    (packages / "holdfast").mkdir(parents=True)
    for part in ("package.json", "src"):
        copy = shutil.copytree if (ROOT / "client_js" / part).is_dir() else shutil.copy
        copy(ROOT / "client_js" / part, packages / "holdfast" / part)
    react = request.param
    for name, real in {"react": react, "react-dom": react.replace("react", "react-dom"), "vite": "vite"}.items():
        (packages / name).symlink_to(INSTALLED / real)
    (folder / "src/server.jsx").write_text(SERVER_ENTRY)
    (folder / "src/tearing.jsx").write_text(TEARING)
    page = folder / "index.html"
    (folder / "src/parts.jsx").write_text(PARTS)
    for name in ("tearing", "parts"):
        (folder / f"{name}.html").write_text(page.read_text().replace("main.jsx", f"{name}.jsx"))
    # As in development: then React itself says what hooks do wrong, and any word on the console fails the test.
    vite, mode = INSTALLED / "vite/bin/vite.js", {"NODE_ENV": "development"}
    (folder / "inline.config.js").write_text(
        "import config from './vite.config.js';\n"
        "export default { ...config, ssr: { noExternal: true },"
        " build: { rollupOptions: { input: ['index.html', 'tearing.html', 'parts.html'] } } };\n"
    )
    own = ("--mode", "development", "--config", "inline.config.js", "--logLevel", "error")
    node(NODE, vite, "build", *own, cwd=folder, env=mode)
    node(NODE, vite, "build", *own, "--ssr", "src/server.jsx", "--outDir", "ssr", cwd=folder, env=mode)
    rendered = node(NODE, next((folder / "ssr").glob("server.*js")), cwd=folder, env=mode)
    assert 'aria-label="Message"' in rendered
    page = folder / "dist/index.html"
    page.write_text(page.read_text().replace('<div id="root"></div>', f'<div id="root">{rendered}</div>'))
    return folder


class Demo(Mortal):
    """The support desk, and the page before it."""

    address = ""

    @contextmanager
    def previewing(self, folder: Path) -> Iterator[None]:
        """The page, as Vite serves what it built."""
        port = free_port()
        vite = INSTALLED / "vite/bin/vite.js"
        command = [NODE, vite, "preview", "--host", "127.0.0.1", "--port", str(port), "--strictPort"]
        environ = os.environ | {"HOLDFAST_URL": f"http://127.0.0.1:{self.port}", "NO_COLOR": "1"}
        with subprocess.Popen(
            command, cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as vite_process:
            assert vite_process.stdout is not None
            assert any(str(port) in line for line in vite_process.stdout)
            self.address = f"http://127.0.0.1:{port}/"
            yield
            vite_process.terminate()


@pytest.fixture(scope="module")
def demo(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    running = Demo(AGENT, tmp_path_factory.mktemp("data"))
    running.start()
    with running.previewing(built):
        yield running
    running.stop()


def say(page: Page, text: str) -> None:
    page.get_by_label("Message").fill(text)
    page.get_by_role("button", name="Send").click()


def begin(page: Page, text: str) -> str:
    """Start a conversation; its address, for another device."""
    say(page, text)
    page.wait_for_url(re.compile("session="))
    expect(page.get_by_role("status")).to_contain_text("live")
    return page.url


def answer(page: Page, label: str) -> None:
    page.get_by_role("article").get_by_role("button", name=label).click()


def said(page: Page, text: str) -> None:
    """The agent said it, in Markdown, which this page shows as it is."""
    expect(page.locator("p.assistant", has_text=text)).to_have_count(1, timeout=PATIENCE_MS)


def test_one_device_approves_and_both_go_on(demo: Demo, device: Device) -> None:
    desktop = device(f"{demo.address}#{demo.fragment}")
    phone = device(begin(desktop, "refund C-77"))
    for page in (desktop, phone):
        expect(page.get_by_role("status")).to_contain_text("live, 2 devices, waiting")
        expect(page.get_by_role("navigation").get_by_role("button", name="refund")).to_have_count(1)
    answer(phone, "Approve")
    for page in (desktop, phone):
        said(page, "Done: €119.00")
        expect(page.get_by_role("article")).to_have_count(0)
        expect(page.get_by_role("navigation").get_by_role("button")).to_have_count(0)
    phone.close()
    expect(desktop.get_by_role("status")).to_contain_text("1 devices")


def test_a_device_that_was_cut_off_in_mid_stream_has_every_word_once(demo: Demo, device: Device) -> None:
    desktop = device(f"{demo.address}#{demo.fragment}")
    phone = device(begin(desktop, "hello there"))
    expect(phone.get_by_role("status")).to_contain_text("live, 2 devices, finished")
    say(desktop, "What can you do?")
    phone.locator("p.assistant", has_text="You can ask").wait_for()
    phone.context.set_offline(True)
    expect(phone.get_by_role("status")).to_contain_text("reconnecting", timeout=PATIENCE_MS)
    expect(desktop.get_by_role("status")).to_contain_text("finished")
    phone.context.set_offline(False)
    expect(phone.get_by_role("status")).to_contain_text("live", timeout=PATIENCE_MS)
    whole = desktop.locator("p.assistant").all_inner_texts()
    expect(phone.locator("p.assistant")).to_have_text([text.strip() for text in whole])


def test_a_server_killed_while_it_waits_is_answered_when_it_is_back(demo: Demo, device: Device) -> None:
    desktop = device(f"{demo.address}#{demo.fragment}")
    phone = device(begin(desktop, "refund 99 euros on F-60"))
    expect(phone.get_by_role("article")).to_have_count(1)
    demo.kill()
    expect(phone.get_by_role("status")).to_contain_text("reconnecting", timeout=PATIENCE_MS)
    answer(phone, "Approve")
    expect(phone.get_by_role("button", name="Approve")).to_be_disabled()
    demo.start()
    for page in (desktop, phone):
        said(page, "Done: €99.00")


def test_no_two_components_ever_show_different_moments(demo: Demo, device: Device) -> None:
    desktop = device(f"{demo.address}#{demo.fragment}")
    other = device(begin(desktop, "hello there").replace("/#", "/tearing.html#"))
    expect(other.get_by_role("status")).to_contain_text("live finished", timeout=PATIENCE_MS)
    before = other.evaluate("seen.texts.size")
    say(desktop, "What can you do?")
    expect(desktop.locator("p.assistant")).to_have_count(2)
    expect(desktop.get_by_role("status")).to_contain_text("finished", timeout=PATIENCE_MS)
    expect(other.get_by_role("status")).to_contain_text("live finished", timeout=PATIENCE_MS)
    assert other.evaluate("seen.texts.size") > before + 5
    assert other.evaluate("seen.torn") == 0


def renders(page: Page, name: str) -> int:
    return int(page.get_by_label(name).get_attribute("data-renders") or 0)


def sent(page: Page, kind: str) -> int:
    return page.evaluate("kind => window.sent.filter(each => each === kind).length", kind)


def test_a_part_renders_only_when_it_changes_in_strict_mode_too(demo: Demo, device: Device) -> None:
    desktop = device(f"{demo.address}#{demo.fragment}")
    parts = device(begin(desktop, "hello there").replace("/#", "/parts.html#"))
    for name in ("selected", "inline"):
        expect(parts.get_by_label(name)).to_have_text("finished", timeout=PATIENCE_MS)
    before = {name: renders(parts, name) for name in ("whole", "selected", "inline", "filtered")}
    say(desktop, "What can you do?")
    expect(desktop.locator("p.assistant")).to_have_count(2)
    expect(desktop.get_by_role("status")).to_contain_text("finished", timeout=PATIENCE_MS)
    expect(parts.get_by_label("selected")).to_have_text("finished", timeout=PATIENCE_MS)
    expect(parts.get_by_label("whole")).to_contain_text(desktop.locator("p.assistant").last.inner_text()[:30])
    more = {name: renders(parts, name) - count for name, count in before.items()}
    assert more["whole"] > 10
    assert more["filtered"] == 0
    assert more["selected"] <= 8  # queued, running, finished: each twice, as StrictMode has it
    assert more["inline"] <= 8  # though its function is another each time
    say(desktop, "refund C-77")
    expect(parts.get_by_label("filtered")).to_have_text("refund", timeout=PATIENCE_MS)
    answer(desktop, "Deny")
    expect(parts.get_by_label("filtered")).to_have_text("", timeout=PATIENCE_MS)
    assert renders(parts, "filtered") - before["filtered"] <= 8
    assert sent(parts, "attach") == 1  # for four components, each mounted twice


def test_a_session_that_nothing_shows_any_more_is_left(demo: Demo, device: Device) -> None:
    desktop = device(f"{demo.address}#{demo.fragment}")
    parts = device(begin(desktop, "hello there").replace("/#", "/parts.html#"))
    expect(desktop.get_by_role("status")).to_contain_text("2 devices")
    parts.get_by_role("button", name="Take away").click()
    parts.get_by_role("button", name="Put back").click()  # at once: it is followed all the time
    expect(parts.get_by_label("selected")).to_have_text("finished")
    assert (sent(parts, "attach"), sent(parts, "detach")) == (1, 0)
    parts.get_by_role("button", name="Take away").click()
    expect(desktop.get_by_role("status")).to_contain_text("1 devices", timeout=PATIENCE_MS)
    assert sent(parts, "detach") == 1
    parts.get_by_role("button", name="Put back").click()
    expect(parts.get_by_label("whole")).to_contain_text("hello there", timeout=PATIENCE_MS)
    assert sent(parts, "attach") == 2
