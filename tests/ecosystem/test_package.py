"""The npm package as it is packed: what is in it, and that TypeScript can use all of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "client_js"
TOOLS = CLIENT / "node_modules"
NODE = ROOT / ".venv/bin/node"
NPM = shutil.which("npm") or str(Path(os.path.realpath(NODE)).with_name("npm"))
COMPILER_OPTIONS = {"strict": True, "noEmit": True, "skipLibCheck": False, "target": "es2023", "jsx": "react-jsx"}

CONSUMER = """
import { connect, HoldfastError, type Client, type Snapshot } from "holdfast";
import { createElement } from "react";
import { HoldfastProvider, useClient, useInbox, useInterrupts, useSession } from "holdfast/react";

const client: Client = connect({ url: "https://agents.example.com", token: async () => "t" });

export const Card = ({ id }: { id: string }) => {
  const { messages, send, connection } = useSession(id);
  const status: string | undefined = useSession(id, (shown) => shown.turn?.status);
  const waiting: number = useInbox().interrupts.length;
  const nobody: Client | null = useClient();
  const told: Promise<"won" | "lost" | "recorded">[] = useInterrupts(id).map(
    async (card) => (await card.approve({ reason: "as agreed" })).outcome,
  );
  const state: Snapshot["connection"] = connection;
  send("hello").catch((error: HoldfastError) => error.code);
  // @ts-expect-error: there is no such thing
  useSession(id).nothing;
  // @ts-expect-error: a yes is approve, never a word in an answer to somebody else
  client.session(id).approve(7);
  return createElement("p", null, status, state, waiting, messages.length, told.length, nobody?.principal.subject);
};

export const page = createElement(HoldfastProvider, { client }, createElement(Card, { id: "s_1" }));
"""


def run(*command: str | Path, cwd: Path) -> str:
    environ = os.environ | {"PATH": f"{NODE.parent}:{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files_of(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if "node_modules" not in path.parts}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as a reader has it in `node_modules`. It is packed from a copy, because packing writes the types."""
    folder = tmp_path_factory.mktemp("package")
    copy = shutil.copytree(CLIENT, folder / "client_js", ignore=shutil.ignore_patterns("node_modules", "types"))
    (copy / "node_modules").symlink_to(TOOLS)
    before = files_of(copy)
    run(NPM, "pack", "--pack-destination", folder, cwd=copy)
    assert files_of(copy) == before, "packing leaves nothing behind"
    packages = folder / "reader/node_modules"
    with tarfile.open(next(folder.glob("holdfast-*.tgz"))) as packed:
        packed.extractall(packages, filter="data")
    (packages / "package").rename(packages / "holdfast")
    for name in ("@types", "csstype"):
        (packages / name).symlink_to(TOOLS / name)
    return packages / "holdfast"


def test_it_holds_the_sources_their_types_and_nothing_else(package: Path) -> None:
    modules = {path.stem for path in (CLIENT / "src").glob("*.js")}
    expected = {"LICENSE", "package.json", "README.md"}
    expected |= {f"src/{name}.js" for name in modules} | {f"types/{name}.d.ts" for name in modules}
    assert {str(path.relative_to(package)) for path in package.rglob("*") if path.is_file()} == expected


def test_its_licence_is_that_of_all(package: Path) -> None:
    assert (package / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


def test_publint_has_nothing_to_say(package: Path) -> None:
    run(NODE, TOOLS / "publint/src/cli.js", "run", "--strict", "--pack", "false", cwd=package)


@pytest.mark.parametrize("resolution", ["nodenext", "bundler"])
def test_typescript_knows_every_entry(package: Path, resolution: str) -> None:
    reader = package.parents[1]
    entries = [
        entry.replace(".", "holdfast", 1) for entry in json.loads((package / "package.json").read_text())["exports"]
    ]
    (reader / "package.json").write_text('{"type": "module"}')
    (reader / "entries.ts").write_text("".join(f'export * as e{i} from "{name}";\n' for i, name in enumerate(entries)))
    (reader / "consumer.ts").write_text(CONSUMER)
    module = {"module": "nodenext"} if resolution == "nodenext" else {"module": "esnext", "moduleResolution": "bundler"}
    config = {"compilerOptions": COMPILER_OPTIONS | module | {"types": []}, "files": ["entries.ts", "consumer.ts"]}
    (reader / "tsconfig.json").write_text(json.dumps(config))
    run(NODE, TOOLS / "typescript/bin/tsc", "-p", ".", cwd=reader)
